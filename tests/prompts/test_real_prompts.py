"""Real collections of prompts, which are not ours to ship: `PRD_REAL_PROMPTS` names a folder that has them."""

import os
from pathlib import Path

import polars as pl
import pytest

from prompts.build import build_corpus
from prompts.clean import normalise
from prompts.config import CorpusConfig
from prompts.corpus import corpus_stats
from prompts.sources import load_prompts

DATA = Path(os.environ.get("PRD_REAL_PROMPTS", "no folder"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs PRD_REAL_PROMPTS, a folder of collections")


def test_real_collections_become_a_corpus(tmp_path):
    names = ("objects_31k.txt", "diffusiondb_10k.json", "imageinwords_400.jsonl", "t2i_compbench_complex.txt")
    evaluation = [str(DATA / "dreamfusion_415.json"), str(DATA / "parti_prompts.tsv")]
    sources = ",".join(str(DATA / name) for name in names)
    folder = build_corpus(CorpusConfig(sources=sources, evaluation_prompts=evaluation), tmp_path)
    stats = corpus_stats(folder)
    assert [source["read"] for source in stats["sources"]] == [30940, 10000, 400, 1000]
    assert stats["prompts"] > 0.98 * stats["read"]
    assert stats["refused"]["evaluation_text"] > 0
    assert stats["languages"]["en"] > 0.75 * stats["prompts"]
    rows = pl.read_parquet(folder / "data" / "*.parquet")
    flagged = rows.filter(pl.col("flags").list.len() > 0)
    assert len(flagged) < 0.003 * len(rows), "plain prompts are left alone"


def test_real_evaluation_sets_are_whole():
    assert len(load_prompts(str(DATA / "dreamfusion_415.json"))) == 415
    assert len(load_prompts(str(DATA / "parti_prompts.tsv"))) > 1600


def test_no_subject_is_lost_to_the_style_that_it_shares(tmp_path):
    folder = build_corpus(CorpusConfig(sources=str(DATA / "diffusiondb_10k.json"), filters={}), tmp_path)
    rows = pl.read_parquet(folder / "data" / "*.parquet").select(kept_prompt_id="prompt_id", kept="subject")
    clusters = pl.read_parquet(folder / "clusters.parquet").filter(pl.col("rule").is_in(["style_tag", "typo"]))
    texts = pl.read_json(DATA / "diffusiondb_10k.json").with_row_index("source_row", offset=1)
    merged = clusters.join(texts.with_columns(pl.col("source_row").cast(pl.Int64)), on="source_row").join(
        rows, on="kept_prompt_id"
    )
    assert 10 < len(merged) < 100
    for text, kept in merged.select("text", "kept").iter_rows():
        words = set(normalise(kept).split()) - {"a", "an", "the"}
        missing = words - set(normalise(text).split())
        assert len(missing) <= 0.5 * len(words), (text, kept)
