"""A whole corpus: what goes in comes out or is refused with a reason, and equal input gives equal files."""

import hashlib
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.artifacts import folder_lock, read_manifest
from infra.errors import BusyError, InputError, MissingError
from prompts.build import build_corpus
from prompts.clean import RULES, normalise, prompt_id, word_sets
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats, open_corpus
from prompts.rows import MERGES, REASONS
from prompts.sources import SAMPLES, load_prompts


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "*.parquet")


def test_every_row_is_kept_merged_or_refused(sample_corpus):
    stats = corpus_stats(sample_corpus)
    rows, rejects = rows_of(sample_corpus), pl.read_parquet(sample_corpus / "rejects.parquet")
    clusters = pl.read_parquet(sample_corpus / "clusters.parquet")
    assert clusters.columns == ["source", "source_row", "prompt_id", "kept_prompt_id", "rule"]
    assert stats["read"] == len(clusters) == int(rows["cluster_size"].sum()) + len(rejects) == 2200
    assert clusters.select("source", "source_row").is_unique().all(), "every row has one place in one source"
    assert dict(rejects["reason"].value_counts().iter_rows()) == stats["refused"]
    assert (
        dict(clusters.filter(pl.col("kept_prompt_id").is_null())["rule"].value_counts().iter_rows()) == stats["refused"]
    )
    merged = clusters.filter(pl.col("kept_prompt_id").is_not_null() & pl.col("rule").is_not_null())
    assert dict(merged["rule"].value_counts().iter_rows()) == stats["merged"]
    planted = {"malformed", "undecodable", "columns", "missing", "not_text", "empty", "evaluation_text"}
    assert planted <= stats["refused"].keys() <= REASONS.keys()
    assert "exact" in stats["merged"].keys() <= MERGES.keys()
    assert sum(source["read"] for source in stats["sources"]) == stats["read"]


def test_clusters_name_what_stays(sample_corpus):
    rows, clusters = rows_of(sample_corpus), pl.read_parquet(sample_corpus / "clusters.parquet")
    kept = clusters.filter(pl.col("rule").is_null())
    assert kept["prompt_id"].equals(kept["kept_prompt_id"])
    assert set(kept["prompt_id"]) == set(rows["prompt_id"]) == set(clusters["kept_prompt_id"].drop_nulls())
    sizes = clusters.drop_nulls("kept_prompt_id").group_by(prompt_id="kept_prompt_id").len()
    both = rows.join(sizes, on="prompt_id")
    assert len(both) == len(rows) and both["cluster_size"].cast(pl.Int64).equals(both["len"].cast(pl.Int64))
    places = rows.join(kept, on=["source", "source_row"], how="inner")
    assert places["prompt_id"].equals(places["prompt_id_right"]) and len(places) == len(rows)


def test_the_columns_say_what_they_promise(sample_corpus):
    rows = rows_of(sample_corpus)
    assert set(rows.columns[:15]) == {
        *("prompt_id", "text", "subject", "style", "parameters", "source", "source_row", "licence", "sources"),
        *("licences", "language", "n_words", "cluster_size", "weight", "flags"),
    }
    assert all(name.startswith("score_") for name in rows.columns[15:])
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


def test_what_was_kept_out_is_reported(tmp_path):
    (tmp_path / "e.txt").write_text("a wooden castle on a mountain\na sleeping dragon\n")
    (tmp_path / "a.txt").write_text("A sleeping dragon!\na castle on a wooden mountain\na red cube\nA red cube\n")
    (tmp_path / "b.txt").write_text("a sleping dragon\na red cube\n!\n")
    config = CorpusConfig(
        sources=[{"path": str(tmp_path / name)} for name in ("a.txt", "b.txt")],
        evaluation_prompts=str(tmp_path / "e.txt"),
    )
    folder = build_corpus(config, tmp_path / "corpora")
    stats = corpus_stats(folder)
    assert stats["evaluation"] == [{"name": "e", "file": "e.txt", "prompts": 2}]
    details = pl.read_parquet(folder / "rejects.parquet").select("reason", "detail").drop_nulls("detail")
    assert sorted(details.rows()) == [
        ("evaluation_near", "a sleeping dragon"),
        ("evaluation_text", "a sleeping dragon"),
        ("evaluation_words", "a wooden castle on a mountain"),
    ]
    card = (folder / "README.md").read_text()
    assert "| e | e.txt | 2 |" in card and "| `evaluation_words` | 1 | has the words of" in card
    assert "| train | 1 |" in card
    assert "| a | a.txt | unknown | 1 | 4 | 2 | 1 | 1 | 0 |" in card
    assert "| b | b.txt | unknown | 1 | 3 | 2 | 1 | 0 | 0 |" in card
    assert "| `evaluation_near` | 0 | 1 |" in card and "| `exact` | 1 | 1 |" in card


def test_the_most_trusted_source_wins_and_the_strictest_licence_binds(tmp_path):
    (tmp_path / "a.txt").write_text("a blue cone\nA Red Cube!\na red cube\n")
    (tmp_path / "b.txt").write_text("a red  cube --v 5\na green torus\n")
    licences = (("b.txt", "MIT"), ("a.txt", "CC-BY-SA-4.0"))
    sources = [SourceConfig(path=str(tmp_path / name), licence=licence) for name, licence in licences]
    folder = build_corpus(CorpusConfig(sources=sources), tmp_path / "corpora")
    (winner,) = rows_of(folder).filter(pl.col("cluster_size") > 1).to_dicts()
    assert (winner["text"], winner["source"], winner["source_row"]) == ("a red cube", "b", 1)
    assert (winner["licence"], winner["licences"]) == ("CC-BY-SA-4.0", ["CC-BY-SA-4.0", "MIT"])
    assert (winner["sources"], winner["cluster_size"]) == (["b", "a"], 3)
    clusters = pl.read_parquet(folder / "clusters.parquet").filter(kept_prompt_id=winner["prompt_id"])
    assert clusters.select("source", "source_row", "rule").sort("source", "source_row").rows() == [
        ("a", 2, "exact"),
        ("a", 3, "exact"),
        ("b", 1, None),
    ]
    assert corpus_stats(folder)["overlap"] == {"a": {"a": 2, "b": 1}, "b": {"a": 1, "b": 2}}


def test_policies_refuse_with_their_reason(build):
    lines = [
        "cube",
        "a red cube on a cone",
        "ein roter Würfel auf einem Tisch",
        "a red cube " * 5,
        "un cubo rojo sobre el",
    ]
    rows, rejects = build(lines, filters={"n_words": {"min": 2, "max": 10}}, languages=["en", "de"])
    assert sorted(rows["text"]) == ["a red cube on a cone", "ein roter Würfel auf einem Tisch"]
    assert rejects.select("source_row", "reason", "detail").rows() == [
        (1, "n_words", "n_words 1 < 2"),
        (4, "n_words", "n_words 15 > 10"),
        (5, "language", "es"),
    ]


def test_near_duplicates_of_evaluation_prompts_stay_out(tmp_path, build):
    (tmp_path / "e.txt").write_text("a wooden castle on a mountain\na sleeping dragon\n")
    lines = [
        "A wooden castle, on a mountain!",
        "on a mountain a wooden castle",
        "a wooden castle on a montain",
        "dragon sleeping",
        "a wooden castle on a river",
    ]
    rows, rejects = build(lines, evaluation_prompts=str(tmp_path / "e.txt"))
    assert rows["text"].to_list() == ["a wooden castle on a river"]
    assert dict(rejects.select("source_row", "reason").iter_rows()) == {
        1: "evaluation_text",
        2: "evaluation_words",
        3: "evaluation_near",
        4: "evaluation_words",
    }
    assert rejects["detail"].to_list()[1:] == ["a wooden castle on a mountain"] * 2 + ["a sleeping dragon"]


@pytest.mark.parametrize(
    ("stays", "other"),
    [
        ("a robot holding a sword", "a robot holding a swrod"),
        ("a lion of stone with wings", "a lion of stone wings with"),
        ("a photo of a staff", "photo a of a staff"),
    ],
)
def test_the_better_writing_of_a_prompt_stays(build, stays, other):
    for order in ([stays, other], [other, stays]):
        rows, _ = build(order)
        assert rows["text"].to_list() == [stays]


@pytest.mark.parametrize("often", ["an old wooden table", "a wooden old table"])
def test_of_equally_good_ones_that_stays_which_most_rows_have(build, often):
    rows, _ = build(["a wooden old table", "an old wooden table", often.upper()])
    assert rows["text"].to_list() == [often]


def test_a_subject_may_be_capped(build):
    styles = ("oil painting", "marble statue", "pencil sketch", "octane render")
    subjects = ("a fox", "a grey owl", "an old boat", "two teapots", "a windmill", "a steam train")
    lines = [f"{subject}, {one}, {other}" for subject in subjects for one in styles for other in styles if one < other]
    everything, _ = build(lines)
    rows, rejects = build(lines, subject_cap=2)
    assert len(everything) == len(lines)
    assert rows["subject"].value_counts()["count"].to_list() == [2] * len(subjects)
    assert set(rejects["reason"]) == {"subject_cap"}


def test_the_holdout_split_is_the_same_in_a_larger_corpus(tmp_path, build):
    import datasets

    lines = [f"prompt number {index}" for index in range(400)]
    build(lines[:200], holdout=0.2)
    build(lines, holdout=0.2)
    small, large = sorted(tmp_path.glob("corpora/*/*/data"), key=lambda folder: corpus_stats(folder.parent)["prompts"])
    held = [set(pl.read_parquet(folder / "holdout-*.parquet")["text"]) for folder in (small, large)]
    assert 20 < len(held[0]) < 60 and held[0] < held[1]
    assert held[1].isdisjoint(pl.read_parquet(large / "train-*.parquet")["text"])
    loaded = datasets.load_dataset(str(large.parent), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == corpus_stats(large.parent)["splits"]
    assert len(open_corpus(large.parent)) == 400 - len(held[1])


PIECES = st.sampled_from(
    [
        *("a red cube", "A red cube!", "**a red cube --v 5** - <@123456789012345678>", "a blue cube", "red cube", ""),
        *("a red cuve", "the red cube, 8k", "a cat on a dog", "a dog on a cat", "cat, dog", "dog, cat", "👻"),
        "https://a.example",
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(PIECES, min_size=1, max_size=12), data=st.data())
def test_neither_order_nor_sharding_nor_memory_changes_the_version(tmp_path_factory, rows, data):
    root = tmp_path_factory.mktemp("order")
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    pl.DataFrame({"text": rows}).write_parquet(root / "whole.parquet")
    for name, part in (("part-0", shuffled[:cut]), ("part-1", shuffled[cut:])):
        pl.DataFrame({"text": part}, schema={"text": pl.String}).write_parquet(root / f"{name}.parquet")
    found = []
    for name, memory in (("whole", 2.0), ("part-*", 1e-6)):
        source = SourceConfig(path=str(root / f"{name}.parquet"), name="s")
        config = CorpusConfig(name=name[:4], sources=[source], memory_gb=memory)
        try:
            folder = build_corpus(config, root / "corpora")
        except InputError as error:
            found.append(error.message)
            continue
        found.append(folder.name)
        clusters = pl.read_parquet(folder / "clusters.parquet")
        assert len(clusters) == len(rows)
        assert set(clusters["kept_prompt_id"].drop_nulls()) == set(rows_of(folder)["prompt_id"])
    assert found[0] == found[1]


def test_all_refused_beside_equal_evaluation_prompts(tmp_path):
    (tmp_path / "a.txt").write_text("!\n")
    (tmp_path / "held.txt").write_text("a red cube\nred cube\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"), evaluation_prompts=str(tmp_path / "held.txt"))
    with pytest.raises(InputError, match="no row of 1 is left: 1 empty"):
        build_corpus(config, tmp_path / "corpora")


def test_the_size_of_shards_does_not_change_the_version(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a cube\na cone\na cup\na cat\na lamp\na fox\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"), holdout=0.3)
    whole = build_corpus(config, tmp_path / "whole")
    monkeypatch.setattr("prompts.shards.SHARD_ROWS", 2)
    parts = build_corpus(config, tmp_path / "parts")
    assert parts.name == whole.name
    assert len(list((parts / "data").glob("train-*.parquet"))) > 1
    assert rows_of(parts).equals(rows_of(whole))
    assert (parts / "text.arrow").is_file() and open_corpus(parts)[:] == open_corpus(whole)[:]
    assert not (parts / "scratch").exists()


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
    assert data.features["flags"] == datasets.List(datasets.Value("string"))
    assert data.features["parameters"]["seed"] == datasets.Value("int64")
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


@pytest.mark.parametrize("change", ["text", "limit", "near", "licence", "evaluation"])
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
    elif change == "near":
        more = {"near": {"detail_ratio": 4}}
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
    assert not list((tmp_path / "corpora" / "corpus").rglob("manifest.json"))


def test_a_holdout_leaves_something_to_train_on(tmp_path, build):
    texts = [f"a {thing} of tin" for thing in ("cup", "bell", "boat", "drum", "lamp", "crown")]
    with pytest.raises(InputError, match="all prompts are in the split `holdout`"):
        for text in texts:  # half of them are on that side
            build([text], holdout=0.5)


def test_another_corpus_may_be_reading_the_same_file(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a red cube\n")
    config = CorpusConfig.model_validate({"sources": str(tmp_path / "a.txt")})
    first = build_corpus(config, tmp_path / "one")
    (prepared,) = (tmp_path / "one" / ".prepared").glob("[!.]*")
    shutil.copytree(tmp_path / "one" / ".prepared" / prepared.name, tmp_path / "two" / ".prepared" / prepared.name)
    monkeypatch.setattr("prompts.prepare._PATIENCE_SECONDS", 0.1)
    other = tmp_path / "two" / ".prepared" / prepared.name
    with folder_lock(other), pytest.raises(BusyError):
        build_corpus(config, tmp_path / "two")
    monkeypatch.setattr("prompts.prepare._PATIENCE_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as thread:
        with folder_lock(other):
            built = thread.submit(build_corpus, config, tmp_path / "two", keep_going=True)
            time.sleep(0.3)
            assert not built.done()
        assert built.result().name == first.name


def test_hostile_text_stays_inside_its_cell(build, tmp_path):
    build(["<script>alert(1)</script> a red cube", "a | b | c [x](y) [z ---"])
    (card,) = (tmp_path / "corpora").rglob("README.md")
    text = card.read_text(encoding="utf-8")
    assert "<script>" not in text and "](y)" not in text and "\\[z" in text
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"


def test_an_open_corpus_is_a_sequence_that_travels(sample_corpus):
    corpus = open_corpus(sample_corpus)
    texts = rows_of(sample_corpus)["text"].to_list()
    assert len(corpus) == len(texts) == 1928
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
    assert (RULES, hashlib.sha256(content.encode()).hexdigest()[:16]) == (5, "4163f9d5ae8aa735")
