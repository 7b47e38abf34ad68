"""A whole corpus: what goes in comes out or is refused with a reason, and equal input gives equal files."""

import hashlib
import pickle
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from infra.artifacts import read_manifest
from infra.errors import InputError, MissingError
from prompts.build import ROW_SCHEMA, build_corpus
from prompts.clean import RULES, normalise, prompt_id, word_sets
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats, open_corpus
from prompts.rows import REASONS
from prompts.sources import SAMPLES, load_prompts


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "*.parquet")


def test_every_row_is_kept_or_refused_with_a_reason(sample_corpus):
    stats = corpus_stats(sample_corpus)
    rows, rejects = rows_of(sample_corpus), pl.read_parquet(sample_corpus / "rejects.parquet")
    assert stats["read"] == len(rows) + len(rejects) == 2200
    assert stats["prompts"] == len(rows) == int(rows["cluster_size"].sum()) - stats["refused"]["duplicate"]
    assert dict(rejects["reason"].value_counts().iter_rows()) == stats["refused"]
    planted = {"malformed", "undecodable", "columns", "missing", "not_text", "empty", "duplicate"}
    assert stats["refused"].keys() == planted | {"evaluation_text", "evaluation_words"} <= REASONS.keys()
    assert sum(source["read"] for source in stats["sources"]) == stats["read"]
    keys = pl.concat([rows, rejects], how="diagonal").select("source", "source_row")
    assert keys.is_unique().all(), "every row has one place in one source"


def test_the_columns_say_what_they_promise(sample_corpus):
    rows = rows_of(sample_corpus)
    assert rows.columns == ROW_SCHEMA.names
    assert rows["prompt_id"].is_unique().all() and rows["prompt_id"].is_sorted()
    assert rows["prompt_id"].to_list() == [prompt_id(normalise(text)) for text in rows["text"]]
    assert set(rows["licence"]) == {"Apache-2.0"}
    assert rows["text"].str.contains(r"@|https?:|www|--|\*\*|::|\d{6}").sum() == 0


def test_no_evaluation_prompt_is_left_in_any_order(sample_corpus):
    held_out = load_prompts("sample:evaluation")
    assert len(held_out) == 100
    keys = word_sets(pl.Series([normalise(text) for text in held_out]))
    left = word_sets(pl.Series([normalise(text) for text in open_corpus(sample_corpus)]))
    assert not left.is_in(keys.to_list()).any()


def test_the_first_row_of_the_first_source_wins(tmp_path):
    (tmp_path / "a.txt").write_text("a blue cone\nA Red Cube!\na red cube\n")
    (tmp_path / "b.txt").write_text("a red  cube --v 5\na green torus\n")
    sources = [SourceConfig(path=str(tmp_path / n), licence=li) for n, li in (("b.txt", "MIT"), ("a.txt", "CC0-1.0"))]
    folder = build_corpus(CorpusConfig(sources=sources), tmp_path / "corpora")
    winner = rows_of(folder).filter(pl.col("cluster_size") > 1).to_dicts()
    assert [(row["text"], row["source"], row["source_row"], row["licence"], row["cluster_size"]) for row in winner] == [
        ("a red cube", "b", 1, "MIT", 3)
    ]
    rejects = pl.read_parquet(folder / "rejects.parquet").select("source", "source_row", "reason", "detail").rows()
    assert rejects == [("a", 2, "duplicate", "b:1"), ("a", 3, "duplicate", "b:1")]


def test_policies_refuse_with_their_reason(build):
    lines = [
        "cube",
        "a red cube on a cone",
        "ein roter Würfel auf einem Tisch",
        "a red cube " * 5,
        "un cubo rojo sobre el",
    ]
    rows, rejects = build(lines, min_words=2, max_words=10, languages=["en", "de"])
    assert sorted(rows["text"]) == ["a red cube on a cone", "ein roter Würfel auf einem Tisch"]
    assert rejects.select("source_row", "reason", "detail").rows() == [
        (1, "too_short", "1 words"),
        (4, "too_long", "15 words"),
        (5, "language", "es"),
    ]


def test_words_of_scripts_without_spaces_are_counted(build):
    rows, _ = build(["青い球", "a well-made cube, 8k", "红色 cube"])
    assert dict(rows.select("text", "n_words").iter_rows()) == {"青い球": 3, "a well-made cube, 8k": 4, "红色 cube": 3}


def test_refused_rows_hold_nobodys_data(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "a red cube"}\n{"text": "**a cone** - <@123456789012345678> by a.b@example.com https://x.example/y\n'
    )
    folder = build_corpus(CorpusConfig(sources=str(path)), tmp_path / "corpora")
    (text,) = pl.read_parquet(folder / "rejects.parquet")["text"]
    assert "a cone" in text
    assert not any(part in text for part in ("123456", "example", "@"))


def test_hugging_face_reads_it_as_it_is(sample_corpus, tmp_path):
    import datasets

    data = datasets.load_dataset(str(sample_corpus), split="train", cache_dir=str(tmp_path))
    assert data.column_names == ROW_SCHEMA.names
    assert data.features["flags"] == datasets.List(datasets.Value("string"))
    assert list(data["text"]) == list(open_corpus(sample_corpus))


def test_equal_input_gives_equal_files_anywhere(sample_config, sample_corpus, tmp_path):
    copies = tmp_path / "elsewhere"
    shutil.copytree(SAMPLES, copies)
    moved = [
        SourceConfig(path=str(copies / Path(name).name), licence="Apache-2.0") for name in _sample_files(sample_config)
    ]
    config = sample_config.model_copy(update={"sources": tuple(moved)})
    folder = build_corpus(config, tmp_path / "corpora")
    assert folder.name == sample_corpus.name
    assert read_manifest(folder).outputs == read_manifest(sample_corpus).outputs


def _sample_files(config: CorpusConfig) -> list[str]:
    by_stem = {path.stem: path.name for path in SAMPLES.iterdir()}
    return [by_stem[source.path.removeprefix("sample:")] for source in config.sources]


def test_building_again_is_a_skip_and_a_damaged_corpus_is_rebuilt(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a red cube\na blue cone\n")
    config = CorpusConfig(sources=str(path))
    folder = build_corpus(config, tmp_path / "corpora")
    before = (folder / "manifest.json").stat().st_mtime_ns
    assert build_corpus(config, tmp_path / "corpora") == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    (folder / "stats.json").unlink()
    assert build_corpus(config, tmp_path / "corpora") == folder
    assert corpus_stats(folder)["prompts"] == 2


@pytest.mark.parametrize("change", ["text", "limit", "languages", "licence", "evaluation"])
def test_what_changes_the_content_changes_the_version(tmp_path, change):
    path = tmp_path / "a.txt"
    path.write_text("a red cube\na blue cone\n")
    first = build_corpus(CorpusConfig(sources=str(path)), tmp_path / "corpora")
    source, more = {"path": str(path)}, {}
    if change == "text":
        path.write_text("a red cube\na blue cube\n")
    elif change == "evaluation":
        (tmp_path / "e.txt").write_text("a red cube\n")
        more = {"evaluation_prompts": str(tmp_path / "e.txt")}
    elif change == "languages":
        more = {"languages": ["en"]}
    else:
        source |= {"limit": 1} if change == "limit" else {"licence": "MIT"}
    second = build_corpus(CorpusConfig(sources=[source], **more), tmp_path / "corpora")
    assert second.name != first.name
    assert build_corpus(CorpusConfig(name="other", sources=[source], **more), tmp_path / "corpora").name == second.name


def test_an_empty_corpus_says_where_its_rows_went(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("???\na red cube\n")
    with pytest.raises(InputError) as caught:
        build_corpus(CorpusConfig(sources=str(path), evaluation_prompts=str(path)), tmp_path / "corpora")
    assert "1 empty, 1 evaluation_text" in caught.value.message
    assert "evaluation_prompts" in caught.value.hint
    path.write_text("")
    with pytest.raises(InputError, match=r"no rows: a\.txt"):
        build_corpus(CorpusConfig(sources=str(path)), tmp_path / "corpora")
    assert not list((tmp_path / "corpora").rglob("manifest.json"))


def test_hostile_text_stays_inside_its_cell(build, tmp_path):
    build(["<script>alert(1)</script> a red cube", "a | b | c [x](y) [z ---"])
    (card,) = (tmp_path / "corpora").rglob("README.md")
    text = card.read_text(encoding="utf-8")
    assert "<script>" not in text and "](y)" not in text and "\\[z" in text
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"][0]["path"] == "data/*.parquet"


def test_an_open_corpus_is_a_sequence_that_travels(sample_corpus):
    corpus = open_corpus(sample_corpus)
    texts = rows_of(sample_corpus)["text"].to_list()
    assert len(corpus) == len(texts) == 2005
    assert corpus.version == sample_corpus.name
    assert (corpus[0], corpus[-1], corpus[3:5]) == (texts[0], texts[-1], texts[3:5])
    assert corpus.take([5, 2]) == [texts[5], texts[2]]
    with pytest.raises(IndexError):
        corpus[len(corpus)]
    sent = pickle.dumps(corpus)
    assert len(sent) < 1000
    assert list(pickle.loads(sent)) == texts


def test_opening_what_is_no_whole_corpus(sample_corpus, tmp_path):
    with pytest.raises(MissingError, match="never finished"):
        open_corpus(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(sample_corpus, copy)
    (copy / "text.arrow").write_bytes(b"short")
    with pytest.raises(InputError, match="damaged"):
        open_corpus(copy)
    (copy / "text.arrow").unlink()
    with pytest.raises(MissingError, match=r"text\.arrow"):
        open_corpus(copy)


def test_other_content_needs_another_revision_of_the_rules(sample_corpus):
    """When this fails and no sample has changed, the rules have: raise `prompts.clean.RULES`, then this digest."""
    content = rows_of(sample_corpus).write_json() + pl.read_parquet(sample_corpus / "rejects.parquet").write_json()
    assert (RULES, hashlib.sha256(content.encode()).hexdigest()[:16]) == (2, "67055594f2379d27")
