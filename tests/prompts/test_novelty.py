"""What is new in a version, and sources that are missing from one."""

from pathlib import Path

import pytest

from prompts.build import build_corpus, versions
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats
from prompts.novelty import Novelty, news_since, novelty
from prompts.sources import source_names


@pytest.fixture
def grow(tmp_path):
    """`grow(a=lines, b=None)` writes or removes the files of two sources and builds without those that are gone."""

    def build(**contents: list[str] | None) -> Path:
        for name, lines in contents.items():
            path = tmp_path / f"{name}.txt"
            path.unlink() if lines is None else path.write_text("\n".join(lines))
        config = CorpusConfig(sources=[str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
        return build_corpus(config, tmp_path / "corpora", keep_going=True)

    return build


def test_new_prompts_are_counted_by_source(grow):
    first = grow(a=["a red cube", "a blue cone"], b=["a red cube"])
    assert novelty(first) == Novelty(None, 2, 0, {"a": 2, "b": 1})
    second = grow(a=["a red cube", "a green torus"], b=["A green torus!", "a yellow pyramid"])
    assert novelty(second) == Novelty(first.name, 2, 1, {"a": 1, "b": 2})
    assert novelty(first) == Novelty(None, 2, 0, {"a": 2, "b": 1}), "what came later does not matter"


def test_a_source_that_was_down_for_a_night_brings_nothing_new(grow):
    whole = grow(a=["a red cube"], b=["a blue cone", "a green torus"])
    gap = grow(b=None)
    assert novelty(gap) == Novelty(whole.name, 0, 2, {"a": 0})
    back = grow(b=["a blue cone", "a green torus", "a yellow pyramid"])
    assert novelty(back) == Novelty(whole.name, 1, 0, {"a": 0, "b": 1})
    assert versions(back.parent) == [whole, gap, back]


def test_with_only_gaps_before_it_is_compared_with_the_last_of_them(grow):
    gap = grow(a=["a red cube"])
    back = grow(b=["a blue cone"])
    assert novelty(back) == Novelty(gap.name, 1, 0, {"a": 0, "b": 1})


def test_news_is_what_nobody_was_told_of(grow):
    first = grow(a=["a red cube"], b=["a blue cone"])
    second = grow(a=["a red cube", "a green torus"])
    third = grow(a=["a red cube", "a green torus", "a yellow pyramid"], b=["a silver spoon"])
    assert news_since(third, []) == Novelty(None, 4, 0, {"a": 3, "b": 1})
    assert news_since(third, [first.name]) == Novelty(first.name, 3, 1, {"a": 2, "b": 1})
    assert news_since(third, [first.name, second.name, "deleted"]) == novelty(third)
    assert news_since(second, [first.name, third.name]).new == 1, "of an older version, too: its blue cone"


def test_what_was_told_of_while_a_source_was_down_is_no_news_when_it_is_back(grow):
    whole = grow(a=["a red cube"], b=["a blue cone", "a green torus"])
    gap = grow(a=["a red cube", "a yellow pyramid"], b=None)
    back = grow(b=["a blue cone", "a green torus", "a gold ring"])
    assert news_since(gap, [whole.name]) == Novelty(whole.name, 1, 2, {"a": 1})
    assert news_since(back, [whole.name, gap.name]) == Novelty(gap.name, 1, 0, {"a": 0, "b": 1})
    assert news_since(back, [gap.name]) == Novelty(gap.name, 3, 0, {"a": 0, "b": 3})


def test_a_gap_is_another_version_even_if_nothing_is_missed(grow):
    gap = grow(a=["a red cube"])
    whole = grow(b=["???"])  # refused
    assert corpus_stats(gap)["prompts"] == corpus_stats(whole)["prompts"] == 1
    assert gap.name != whole.name
    assert [lost["name"] for lost in corpus_stats(gap)["missing"]] == ["b"] and not corpus_stats(whole)["missing"]
    assert "Not complete" in (gap / "README.md").read_text() and "Not complete" not in (whole / "README.md").read_text()
    assert grow(b=None) == gap


def test_who_is_told_is_no_part_of_the_content(tmp_path):
    (tmp_path / "a.txt").write_text("a red cube\n")
    folders = [
        build_corpus(CorpusConfig(sources=str(tmp_path / "a.txt"), new_prompts_for_event=n), tmp_path / "corpora")
        for n in (1, 2)
    ]
    assert folders[0] == folders[1]


def test_names_do_not_depend_on_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ("a.txt", "b/a.jsonl.gz", "owner/toys.v2", "sample:solids", "b/part-*.csv", "b/*/*.txt", "*.txt")
    configs = [SourceConfig(path=path) for path in paths]
    names = ["a", "a-2", "toys.v2", "solids", "part", "b", "files"]
    assert source_names(configs) == names
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("a.txt", "b/a.jsonl.gz", "b/part-1.csv", "b/c/x.txt"):
        (tmp_path / name).touch()
    assert source_names(configs) == names
