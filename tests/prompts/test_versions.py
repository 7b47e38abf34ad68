"""Versions beside one another: extended, compared, previewed, explained."""

import json

import polars as pl
import pytest

from infra.errors import InputError, MissingError, PRDError, RecipeError
from prompts.build import build_corpus
from prompts.catalogue import broken_entries, catalogue, read_entry, resolve
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats
from prompts.licences import strictest
from prompts.preview import explain, preview
from prompts.versions import compare, configuration, extended, find_version, versions


@pytest.fixture
def home(tmp_path):
    """Files of two sources and a corpus of the first."""
    (tmp_path / "a.txt").write_text("a red cube\nan old wooden castle\na blue cone\n")
    (tmp_path / "b.txt").write_text("A red cube!\nan old wodden castle\na green torus\n")
    build_corpus(CorpusConfig(sources=str(tmp_path / "a.txt")), tmp_path / "corpora")
    return tmp_path / "corpora" / "corpus"


def test_a_source_added_is_as_if_it_had_been_there_from_the_start(home, tmp_path):
    added = [SourceConfig(path=str(tmp_path / "b.txt"), licence="MIT")]
    config = extended(find_version(home), added)
    larger = build_corpus(config, tmp_path / "corpora")
    assert versions(home)[-1] == find_version(home) == larger and len(versions(home)) == 2
    at_once = CorpusConfig(sources=[{"path": str(tmp_path / "a.txt")}, *added])
    assert build_corpus(at_once, tmp_path / "elsewhere").name == larger.name
    with pytest.raises(InputError, match="is a source of"):
        extended(larger, added)


def test_what_is_changed_with_it_is_as_if_it_had_been_so_from_the_start(home, tmp_path):
    added = [SourceConfig(path=str(tmp_path / "b.txt"))]
    changes = ["corpus.filters.n_words.max=3", "corpus.holdout=0.3", "corpus.engine=ray", "train.iterations=2"]
    config = extended(find_version(home), added, changes)
    assert (config.holdout, config.engine, len(config.sources)) == (0.3, "ray", 2)
    larger = build_corpus(config.model_copy(update={"engine": "local"}), tmp_path / "corpora")
    at_once = {"sources": [str(tmp_path / name) for name in ("a.txt", "b.txt")], "holdout": 0.3}
    limits = {"filters": {**config.filters.model_dump(mode="json")}}
    assert limits["filters"]["n_words"]["max"] == 3
    same = build_corpus(CorpusConfig.model_validate({**at_once, **limits}), tmp_path / "elsewhere")
    assert same.name == larger.name
    rows = pl.read_parquet(larger / "data" / "*.parquet")
    assert rows["n_words"].max() == 3
    for wrong, says in (
        ("corpus.sources=[c.txt]", "`corpus.sources` cannot be changed here"),
        ("corpus={sources: [c.txt]}", "`corpus.sources` cannot be changed here"),
        ("corpus.houldout=1", "did you mean 'holdout'"),
    ):
        with pytest.raises(RecipeError, match=says):
            extended(find_version(home), added, [wrong])


def test_only_the_new_source_is_read_again(home, tmp_path):
    prepared = tmp_path / "corpora" / ".prepared"
    before = {path: path.stat().st_mtime_ns for path in prepared.glob("*/rows-*.parquet")}
    build_corpus(extended(find_version(home), [SourceConfig(path=str(tmp_path / "b.txt"))]), tmp_path / "corpora")
    after = {path: path.stat().st_mtime_ns for path in prepared.glob("*/rows-*.parquet")}
    assert before.items() < after.items() and len(after) == 2


def test_of_a_source_that_grew_only_the_new_file_is_read_again(tmp_path):
    config = CorpusConfig(sources=str(tmp_path / "part-*.txt"))
    (tmp_path / "part-1.txt").write_text("an old castle\n\na cat\n\n")
    build_corpus(config, tmp_path / "corpora")
    prepared = tmp_path / "corpora" / ".prepared"
    before = {path: path.stat().st_mtime_ns for path in prepared.glob("*/rows-*.parquet")}
    (tmp_path / "part-0.txt").write_text("a dog\n\na fox\n")
    folder = build_corpus(config, tmp_path / "corpora")
    after = {path: path.stat().st_mtime_ns for path in prepared.glob("*/rows-*.parquet")}
    assert before.items() < after.items() and len(after) == 2
    rows = pl.read_parquet(folder / "clusters.parquet").sort("source_row")["source_row"].to_list()
    texts = pl.read_parquet(folder / "data" / "*.parquet").sort("source_row")
    assert rows == sorted(set(rows)) and texts["source"].unique().to_list() == ["part"]
    assert texts["text"].to_list() == ["a dog", "a fox", "an old castle", "a cat"], "numbered through"


def test_what_differs_between_versions(home, tmp_path):
    older = find_version(home)
    (tmp_path / "c.txt").write_text("an old castle of wood\na blue  cone\n")
    sources = [SourceConfig(path=str(tmp_path / name)) for name in ("b.txt", "c.txt")]
    newer = build_corpus(CorpusConfig(sources=sources, near={"detail_ratio": 3}), tmp_path / "corpora")
    found = compare(older, newer)
    assert found.same == 2
    assert set(found.added["text"]) == {"an old wodden castle", "a green torus", "an old castle of wood"}
    assert found.removed.select("text", "rule").rows() == [("an old wooden castle", None)]
    assert found.policy.keys() == {"near", "sources"}
    back = compare(newer, older)
    assert (len(back.added), len(back.removed)) == (1, 3)


def test_versions_are_named_by_their_beginning(home, tmp_path):
    folder = find_version(home)
    assert find_version(home, folder.name[:4]) == find_version(home, str(folder)) == folder
    with pytest.raises(MissingError, match="no version zzz of the corpus corpus in") as caught:
        find_version(home, "zzz")
    assert folder.name in str(caught.value)
    with pytest.raises(MissingError, match="no corpus other in"):
        find_version(tmp_path / "corpora" / "other")


def test_a_preview_says_what_is_new(home, tmp_path):
    path = tmp_path / "new.jsonl"
    path.write_text(
        '{"text": "a RED cube"}\n{"text": "an old woodden castle, --ar 3:2"}\n{"text": "a lamp"}\n{"text": "a lamp."}\n'
        '{"text": "!!!"}\nnot json\n'
    )
    found = preview(SourceConfig(path=str(path)), CorpusConfig(sources="x"), find_version(home))
    rows = found.rows.sort("source_row")
    assert rows["novelty"].to_list() == ["known", "typo", "new", "again", None, None]
    assert rows["reason"].to_list() == [None, None, None, None, "empty", "malformed"]
    assert rows["parameters"][1]["aspect"] == "3:2"
    assert found.counts() == {"again": 1, "empty": 1, "known": 1, "malformed": 1, "new": 1, "typo": 1}
    alone = preview(SourceConfig(path=str(path)), CorpusConfig(sources="x"), None, rows=3)
    assert alone.rows["novelty"].to_list() == ["new"] * 3


def test_a_preview_goes_by_all_that_a_build_goes_by(tmp_path):
    (tmp_path / "e.txt").write_text("an old wooden castle\na held out lamp\n")
    texts = ["ein roter Würfel auf dem Tisch", "an old wodden castle", "a held out lamp", "the lamp held out", "a boat"]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    policy = CorpusConfig.model_validate(
        {"sources": "x", "evaluation_prompts": str(tmp_path / "e.txt"), "languages": ["en"]}
    )
    rows = preview(SourceConfig(path=str(tmp_path / "a.txt")), policy, None).rows.sort("source_row")
    assert rows["reason"].to_list() == ["language", "evaluation_near", "evaluation_text", "evaluation_words", None]
    assert rows["detail"].to_list()[1] == "an old wooden castle"
    assert rows["novelty"].to_list() == [None] * 4 + ["new"]


def test_a_corpus_explains_itself(tmp_path):
    (tmp_path / "a.txt").write_text("an old wooden castle\nan old wodden castle\na red cube\n!!\na held out lamp\n")
    (tmp_path / "e.txt").write_text("a held out lamp\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"), evaluation_prompts=str(tmp_path / "e.txt"))
    folder = build_corpus(config, tmp_path / "corpora")
    found = {
        text: explain(text, folder)
        for text in (
            "A red cube --v 5",
            "an old wodden castle",
            "a held out lamp",
            "old woden castle",
            "a new boat",
            "a new cube of glass",
            "a held out lmap",
            "?",
        )
    }
    assert [each.verdict for each in found.values()] == [
        "in the corpus",
        "merged: typo (is misspelt, or the other is)",
        "refused: evaluation_text (equals an evaluation prompt): a held out lamp",
        "would be merged: typo (is misspelt, or the other is)",
        "would be new",
        "would be new",
        "would be refused: evaluation_near (is a near-duplicate of an evaluation prompt): a held out lamp",
        "would be refused: empty (no letter or digit is left after cleaning)",
    ]
    assert found["a new boat"].nearest is None and found["a new cube of glass"].nearest == "a red cube"
    assert found["an old wodden castle"].kept == "an old wooden castle"
    assert found["an old wodden castle"].members["source_row"].sort().to_list() == [1, 2]
    assert found["A red cube --v 5"].row["flags"] == ["parameters"]


@pytest.mark.parametrize("name", ["stats.json", "clusters.parquet", "data/train-*.parquet"])
def test_a_version_that_is_not_whole_is_named(home, name):
    folder = find_version(home)
    (path,) = folder.glob(name)

    def look() -> None:
        if name == "stats.json":
            corpus_stats(folder)
        elif name == "clusters.parquet":
            with pytest.raises(PRDError, match=path.name):
                compare(folder, folder)
            explain("a red cube", folder)
        else:
            explain("a red cube", folder)

    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{path} is damaged") as caught:
        look()
    assert "build it again" in caught.value.hint
    path.unlink()
    with pytest.raises(MissingError, match=f"{path} is missing"):
        look()
    rebuilt = build_corpus(configuration(folder), home.parent)
    assert rebuilt == folder and path.is_file()
    assert corpus_stats(folder)["prompts"] == 3


def test_a_version_of_another_release_is_named(home, tmp_path):
    folder = find_version(home)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["facts"]["recipe"]["filters"]["magic"] = {"max": 2}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for look in (
        lambda: explain("a red cube", folder),
        lambda: extended(folder, [SourceConfig(path=str(tmp_path / "b.txt"))]),
    ):
        with pytest.raises(InputError, match=r"manifest\.json is not a valid configuration:\n.*magic") as caught:
            look()
        assert "build it again" in caught.value.hint


def test_the_catalogue_states_terms():
    entries = catalogue()
    assert not broken_entries()
    assert len(entries) > 10 and all(entry.licence and entry.about and entry.homepage for entry in entries.values())
    assert entries["journeydb"].gated
    dalle = resolve(SourceConfig(path="catalog:dalle-3", limit=5))
    assert (dalle.path, dalle.field, dalle.name, dalle.limit) == (
        "OpenDatasets/dalle-3-dataset",
        "caption",
        "dalle-3",
        5,
    )
    assert resolve(SourceConfig(path="catalog:dalle-3", licence="MIT", name="x")).licence == "MIT"
    with pytest.raises(InputError, match="no source 'nothing'"):
        resolve(SourceConfig(path="catalog:nothing"))


def test_an_entry_without_licence_is_an_error(tmp_path):
    path = tmp_path / "toys.yaml"
    path.write_text("about: toys\npath: somebody/toys\n")
    with pytest.raises(InputError, match=r"toys\.yaml is no entry of the catalogue: `licence`") as caught:
        read_entry(path)
    assert "`licence: unknown`" in caught.value.hint


def test_a_broken_entry_costs_only_itself(tmp_path, monkeypatch):
    good = "about: toys\npath: somebody/toys\nlicence: unknown\n"
    for name, text in (("toys", good), ("lamps", "about: lamps\n"), ("boats", "about: ["), ("cars", good + good)):
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.setattr("prompts.catalogue._FOLDER", tmp_path)
    assert list(catalogue()) == ["toys"] and list(broken_entries()) == ["boats", "cars", "lamps"]
    assert resolve(SourceConfig(path="catalog:toys")).path == "somebody/toys"
    with pytest.raises(InputError, match=r"lamps\.yaml is no entry of the catalogue: `path`"):
        resolve(SourceConfig(path="catalog:lamps"))


def test_the_strictest_licence_wins():
    assert strictest(["CC0-1.0", "mit"]) == "mit"
    assert strictest(["cc-by-sa-4.0", "Apache-2.0", "openrail"]) == "cc-by-sa-4.0"
    assert strictest(["cc-by-nc-4.0", "unknown"]) == "unknown", "what is not known may ask for anything"


def test_clusters_of_a_version_cover_all_sources(home, tmp_path):
    folder = build_corpus(
        extended(find_version(home), [SourceConfig(path=str(tmp_path / "b.txt"))]), tmp_path / "corpora"
    )
    clusters = pl.read_parquet(folder / "clusters.parquet")
    assert clusters.group_by("source").len().sort("source").rows() == [("a", 3), ("b", 3)]
    assert clusters["kept_prompt_id"].null_count() == 0
