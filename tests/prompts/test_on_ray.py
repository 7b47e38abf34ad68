"""A corpus that Ray Data builds is the one that this process builds."""

import pytest

from prompts.build import build_corpus
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats

TEXTS = {
    "jsonl": ['{"text": "a purple teapot, bokeh"}', '{"text": "a wooden castle on a hill"}', "broken", '{"text": 3}'],
    "txt": [
        *("a purple teapot", "a woodne castle on a hill", "a light saber", "a lightsaber", "a red cube", "a red cone"),
        *(f"a {animal} {place}, bokeh" for animal in ("fox", "owl", "crab") for place in ("in a cup", "on a well")),
    ],
}


@pytest.fixture
def config(tmp_path):
    for ending, lines in TEXTS.items():
        (tmp_path / f"a.{ending}").write_text("\n".join(lines) + "\n")
    (tmp_path / "empty.txt").write_text("")
    sources = tuple(SourceConfig(path=str(tmp_path / name)) for name in ("a.jsonl", "a.txt", "empty.txt"))
    evaluation = (SourceConfig(path=str(tmp_path / "a.txt"), name="held out", limit=1),)
    return CorpusConfig(sources=sources, evaluation_prompts=evaluation)


def test_it_is_the_same_on_ray(config, tmp_path, monkeypatch):
    monkeypatch.setattr("prompts.rows.BATCH_ROWS", 3)  # several tasks
    here = build_corpus(config, tmp_path / "here")
    there = build_corpus(config.model_copy(update={"engine": "ray"}), tmp_path / "there")
    assert there.name == here.name
    assert corpus_stats(there) == corpus_stats(here)
    for name in ("clusters.parquet", "rejects.parquet", "text.arrow", "README.md"):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    prepared = sorted((tmp_path / "there" / ".prepared").glob("*/rows-*.parquet"))
    assert len({path.parent for path in prepared}) == 3 < len(prepared)
