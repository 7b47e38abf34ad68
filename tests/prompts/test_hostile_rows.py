"""Rows that are strange in themselves, and filters that nobody foresaw."""

import sys
from types import ModuleType

import polars as pl
import pytest

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


def test_a_new_filter_names_its_refusals(tmp_path, monkeypatch):
    module = ModuleType("prompts.scores.colourful")
    module.colourful = lambda rows: rows["key"].fill_null("").str.count_matches("red|blue").cast(pl.Int32)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    scorer = Scorer("colourful", "colours", 0, float("inf"), "many colours", ("key",))
    monkeypatch.setitem(SCORERS, "colourful", scorer)
    (tmp_path / "a.txt").write_text("a red cube\na cone\n\n!\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"), filters={"colourful": {"max": 0}})
    folder = build_corpus(config, tmp_path / "corpora")
    assert corpus_stats(folder)["refused"] == {"empty": 1, "colourful": 1}
    assert "| − `colourful` | 1 | outside the recipe's limits of colourful |" in (folder / "README.md").read_text()
    rejects = pl.read_parquet(folder / "rejects.parquet")
    assert dict(rejects.select("reason", "detail").iter_rows())["colourful"] == "colourful 1 > 0"
