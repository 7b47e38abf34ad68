"""Rows that are strange in themselves, and filters that nobody foresaw."""

import sys
from types import ModuleType

import polars as pl
import pytest

from infra.errors import PRDError
from prompts.build import build_corpus
from prompts.config import CorpusConfig
from prompts.corpus import corpus_stats
from prompts.scores.registry import SCORERS, Scorer


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_half_an_emoji_costs_only_itself(tmp_path, name):
    rows = ['{"prompt": "a \\ud83d zebra"}', '{"prompt": "a fox"}']
    (tmp_path / name).write_text(f"[{','.join(rows)}]" if name == "a.json" else "\n".join(rows))
    folder = build_corpus(CorpusConfig(sources=str(tmp_path / name)), tmp_path / "corpora")
    assert set(pl.read_parquet(folder / "data" / "*.parquet")["text"]) == {"a zebra", "a fox"}


@pytest.fixture
def register(monkeypatch):
    """`register(function)`: a scorer `colourful`."""

    def add(function) -> None:
        module = ModuleType("prompts.scores.colourful")
        module.colourful = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        scorer = Scorer("colourful", "colours", 0, float("inf"), "many colours", ("key",))
        monkeypatch.setitem(SCORERS, "colourful", scorer)

    return add


def test_a_new_filter_names_its_refusals(tmp_path, register):
    register(lambda rows: rows["key"].fill_null("").str.count_matches("red|blue").cast(pl.Int32))
    (tmp_path / "a.txt").write_text("a red cube\na cone\n\n!\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"), filters={"colourful": {"max": 0}})
    folder = build_corpus(config, tmp_path / "corpora")
    assert corpus_stats(folder)["refused"] == {"empty": 1, "colourful": 1}
    assert "| − `colourful` | 1 | outside the recipe's limits of colourful |" in (folder / "README.md").read_text()
    rejects = pl.read_parquet(folder / "rejects.parquet")
    assert dict(rejects.select("reason", "detail").iter_rows())["colourful"] == "colourful 1 > 0"


@pytest.mark.parametrize(
    ("scores", "wrong"),
    [
        (lambda rows: pl.Series([None] * len(rows), dtype=pl.Int32), "no number for 1 of 1 rows"),
        (lambda rows: pl.Series([float("nan")] * len(rows), dtype=pl.Float32), "no number for 1 of 1 rows"),
        (lambda rows: rows["key"], "String"),
        (lambda rows: rows["key"].str.len_chars(), "UInt32"),
        (lambda rows: pl.Series([1], dtype=pl.Int32).extend_constant(1, 2), "3 numbers for 1 rows"),
        (lambda rows: 7, "a int instead of a column"),
    ],
)
def test_a_filter_that_gives_no_numbers_is_named(register, scores, wrong):
    register(scores)
    with pytest.raises(PRDError, match=f"the score `colourful` gives {wrong}"):
        SCORERS["colourful"](pl.DataFrame({"key": ["a red cube"]}))
