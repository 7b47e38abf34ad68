"""What a corpus makes of one source: its weight and its filters, from the recipe and from the catalogue."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from infra.errors import InputError
from prompts import catalogue as catalogue_module
from prompts.build import build_corpus, scores_of
from prompts.catalogue import read_entry, resolve
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats, open_corpus
from prompts.preview import explain, preview
from prompts.sampler import PromptSampler, visit_weights
from prompts.versions import compare, extended, find_version

SHORT, LONG = "a red cube", "a red cube on a wooden table in a small room"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Two sources that have one prompt in common, and each a short and a long one."""
    (tmp_path / "a.txt").write_text(f"{SHORT}\n{LONG}\nan old castle with seven towers\n")
    (tmp_path / "b.txt").write_text(
        "a blue cone\nan OLD castle with seven towers!\na green torus on a pile of old red bricks\n"
    )
    return {name: str(tmp_path / f"{name}.txt") for name in ("a", "b")}


def build(tmp_path: Path, *sources: dict, **config) -> Path:
    return build_corpus(CorpusConfig(sources=sources, **config), tmp_path / "corpora")


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "*.parquet")


def refused(folder: Path) -> list[tuple]:
    return pl.read_parquet(folder / "rejects.parquet").select("source", "source_row", "detail").rows()


def prepared(tmp_path: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (tmp_path / "corpora" / ".prepared").glob("*/rows-*.parquet")}


def test_a_source_has_limits_of_its_own(tmp_path, files):
    own = {"n_words": {"max": 8}, "unsafe": None, "repetition": {"max": 0.9}}
    folder = build(
        tmp_path,
        {"path": files["a"]},
        {"path": files["b"], "filters": own},
        filters={"n_words": {"min": 4}, "unsafe": {"max": 0.8}},
    )
    assert refused(folder) == [("a", 1, "n_words 3 < 4"), ("b", 3, "n_words 10 > 8")]
    rows = rows_of(folder)
    assert sorted(rows["text"]) == ["a blue cone", LONG, "an old castle with seven towers"]
    assert rows["score_repetition"].null_count() == 0, "what one source is measured by all are"
    _, settings = yaml.safe_load((folder / "config.yaml").read_text())["sources"]
    assert settings["filters"]["unsafe"] is None and settings["filters"]["n_words"]["max"] == 8
    card = (folder / "README.md").read_text()
    assert "| b | n_words max 8, any unsafe, repetition max 0.9 |" in card


def test_null_lets_everything_of_a_source_through(tmp_path, files):
    strict = {"n_words": {"max": 3}}
    folder = build(tmp_path, {"path": files["a"], "filters": {"n_words": None}}, {"path": files["b"]}, filters=strict)
    assert {source for source, *_ in refused(folder)} == {"b"}
    castle = rows_of(folder).filter(text="an old castle with seven towers")
    assert castle["sources"].to_list() == [["a"]], "a refused row is no reason to name its source"
    why = explain("an old castle with seven towers", folder)
    assert why.verdict == "in the corpus" and len(why.members) == 1


def test_other_limits_and_weights_are_another_version_of_the_same_prepared_rows(tmp_path, files):
    sources = {"path": files["a"]}, {"path": files["b"]}
    plain = build(tmp_path, *sources)
    before = prepared(tmp_path)
    treated = [
        build(tmp_path, sources[0], {**sources[1], **treatment})
        for treatment in (
            {"filters": {"n_words": {"max": 8}}},
            {"filters": {"n_words": {"max": 100}}},
            {"weight": 2},
            {"weight": 2.5, "filters": {"unsafe": None}},
        )
    ]
    assert len({folder.name for folder in (plain, *treated)}) == 5
    assert prepared(tmp_path) == before and len(before) == 2
    assert compare(plain, treated[2]).policy.keys() == {"sources"}
    assert build(tmp_path, *sources, name="again").name == plain.name


def test_the_largest_weight_of_a_prompt_counts(tmp_path, files):
    folder = build(tmp_path, {"path": files["a"], "weight": 0.5}, {"path": files["b"], "weight": 4})
    rows = rows_of(folder)
    assert rows.schema["weight"] == pl.Float32
    weights = dict(rows.select("text", "weight").iter_rows())
    assert weights.pop("an old castle with seven towers") == 4 and rows["source"].to_list().count("a") == 3
    assert {weights[SHORT], weights[LONG]} == {0.5} and weights["a blue cone"] == 4
    corpus = open_corpus(folder)
    assert dict(zip(corpus, corpus.weights.tolist(), strict=True)) == dict(rows.select("text", "weight").iter_rows())
    assert [source["weight"] for source in corpus_stats(folder)["sources"]] == [0.5, 4]
    assert "| b | b.txt | unknown | 4 | 3 |" in (folder / "README.md").read_text()


def test_training_draws_by_weight(tmp_path, files):
    corpus = open_corpus(build(tmp_path, {"path": files["a"]}, {"path": files["b"], "weight": 4}))
    weights = visit_weights(corpus.cluster_sizes, 0.0, corpus.weights)
    sampler = PromptSampler(len(corpus), 0, 4, weights=weights)
    drawn = [index for _ in range(1000) for index in sampler.next_batch()]
    share = np.bincount(drawn, minlength=len(corpus)) / len(drawn)
    assert share.tolist() == pytest.approx((corpus.weights / corpus.weights.sum()).tolist(), rel=0.15)


@pytest.fixture
def toys(tmp_path, files, monkeypatch):
    """A catalogue of one entry, which states both."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    entry = {
        "about": "toys",
        "path": files["b"],
        "licence": "cc0-1.0",
        "weight": 0.25,
        "filters": {"n_words": {"min": 4}, "shapeless": {"max": 0.9}},
    }
    (folder / "toys.yaml").write_text(yaml.safe_dump(entry))
    monkeypatch.setattr(catalogue_module, "_FOLDER", folder)
    return "catalog:toys"


def test_the_catalogue_may_state_both(tmp_path, files, toys):
    alone = {"n_words": {"max": 500}}
    assert scores_of(CorpusConfig(sources=[files["a"]], filters=alone)) == ["n_words"]
    assert scores_of(CorpusConfig(sources=[files["a"], toys], filters=alone)) == ["n_words", "shapeless"]
    folder = build(tmp_path, {"path": files["a"]}, {"path": toys})
    assert refused(folder) == [("toys", 1, "n_words 3 < 4")]
    weights = dict(rows_of(folder).group_by("source").agg(pl.col("weight").min()).iter_rows())
    assert weights == {"a": 1.0, "toys": 0.25}
    more = resolve(SourceConfig(path=toys, weight=1, filters={"n_words": None}))
    assert more.weight == 1 and more.filters.model_dump() == {"n_words": None, "shapeless": {"min": None, "max": 0.9}}


def test_what_the_catalogue_says_outlives_the_recipe_s_writing_down(tmp_path, files, toys):
    """A version's recipe is read again when a source is added: defaults in it must not go before the catalogue."""
    first = build(tmp_path, {"path": toys})
    config = extended(first, [SourceConfig(path=files["a"])])
    assert config == CorpusConfig(sources=[{"path": toys}, {"path": files["a"]}])
    second = build_corpus(config, tmp_path / "corpora")
    assert find_version(second.parent) == second
    (source, _) = corpus_stats(second)["sources"]
    assert (source["licence"], source["weight"]) == ("cc0-1.0", 0.25)
    with pytest.raises(InputError, match="is a source of"):
        extended(second, [SourceConfig(path=toys)])


def test_a_preview_goes_by_the_source_s_own_filters(files, toys):
    policy = CorpusConfig(sources="x", filters={"n_words": {"max": 4}})
    assert preview(SourceConfig(path=files["b"]), policy, None).counts() == {"n_words": 2, "new": 1}
    found = preview(SourceConfig(path=toys), policy, None)
    assert found.counts() == {"new": 2, "n_words": 1}
    assert found.rows["detail"].to_list() == ["n_words 3 < 4", None, None]


@pytest.mark.parametrize("weight", [0, -1, 0.0001, 1e6, float("inf"), float("nan"), "heavy"])
def test_a_weight_is_a_sensible_number(weight):
    with pytest.raises(ValidationError, match="weight"):
        SourceConfig(path="a.txt", weight=weight)


def test_filters_are_known_and_evaluation_prompts_have_none(tmp_path):
    with pytest.raises(ValidationError, match="no filter is called `word`"):
        SourceConfig(path="a.txt", filters={"word": {"max": 3}})
    for treatment in ({"weight": 1}, {"filters": {"n_words": None}}):
        with pytest.raises(ValidationError, match="all are kept out"):
            CorpusConfig(sources="a.txt", evaluation_prompts=[{"path": "e.txt", **treatment}])
    entry = tmp_path / "toys.yaml"
    entry.write_text("{about: toys, path: a.txt, licence: mit, weight: 0}")
    with pytest.raises(InputError, match="`weight`"):
        read_entry(entry)
