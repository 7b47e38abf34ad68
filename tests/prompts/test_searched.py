"""A build goes on where the search of an earlier one ended, and gives what it would have given without."""

import errno
import resource

import numpy as np
import polars as pl
import pytest

from infra.errors import UnavailableError
from prompts import selection
from prompts.build import build_corpus
from prompts.config import CorpusConfig, SourceConfig
from prompts.versions import extended
from prompts.workspace import Workspace

SOURCES = [SourceConfig(path=f"sample:{name}") for name in ("captions", "midjourney", "renders", "solids")]


@pytest.fixture
def searches(monkeypatch):
    """How many prompts each build knew before, in the order of the builds."""
    known: list[int] = []
    plain = selection.find_near_duplicates

    def find(*arguments, earlier, **options):
        known.append(len(earlier) if earlier else 0)
        return plain(*arguments, earlier=earlier, **options)

    monkeypatch.setattr(selection, "find_near_duplicates", find)
    return known


@pytest.fixture
def config() -> CorpusConfig:
    return CorpusConfig(sources=SOURCES[:2], evaluation_prompts="sample:evaluation")


def test_a_version_with_more_sources_is_that_of_all_at_once(config, searches, tmp_path):
    folder = build_corpus(config, tmp_path / "corpora")
    for source in SOURCES[2:]:
        folder = build_corpus(extended(folder, [source]), tmp_path / "corpora")
    whole = build_corpus(config.model_copy(update={"sources": (*SOURCES,)}), tmp_path / "elsewhere")
    assert folder.name == whole.name
    for name in ("clusters.parquet", "rejects.parquet", "data/*.parquet"):
        assert pl.read_parquet(folder / name).equals(pl.read_parquet(whole / name)), name
    assert searches[0] == searches[3] == 0 and 0 < searches[1] < searches[2]


@pytest.mark.parametrize(
    "change",
    [
        {"evaluation_prompts": []},
        {"near": {"tags_for_two": 7}},
        {"filters": {"n_words": {"min": 4}}},
        {"sources": [SOURCES[1], SOURCES[0]]},
        {"sources": [SOURCES[1], SOURCES[2]]},
    ],
    ids=lambda change: "-".join(change),
)
def test_what_was_found_by_other_settings_or_among_others_is_not_gone_on_from(config, searches, tmp_path, change):
    build_corpus(config, tmp_path / "corpora")
    other = CorpusConfig.model_validate({**config.model_dump(), **change})
    found = build_corpus(other, tmp_path / "corpora")
    assert searches == [0, 0]
    assert found.name == build_corpus(other, tmp_path / "elsewhere").name


@pytest.mark.parametrize("harm", ["cut", "gone", "no about", "other code"])
def test_without_it_or_where_it_is_not_whole_all_is_searched(config, searches, tmp_path, monkeypatch, harm):
    folder = build_corpus(config, tmp_path / "corpora")
    kept = folder.parent / ".searched"
    if harm == "cut":
        words = kept / "tokens.words"
        words.write_bytes(words.read_bytes()[:-4])
    elif harm == "gone":
        (kept / "slips").unlink()
    elif harm == "no about":
        (kept / "about.json").write_text("{")
    else:
        monkeypatch.setattr("prompts.searched._code", lambda: "another release")
    larger = extended(folder, [SOURCES[2]])
    assert build_corpus(larger, tmp_path / "corpora").name == build_corpus(larger, tmp_path / "elsewhere").name
    assert searches == [0, 0, 0]


def test_a_build_that_fails_leaves_the_earlier_search(config, searches, tmp_path, monkeypatch):
    folder = build_corpus(config, tmp_path / "corpora")
    with monkeypatch.context() as patch:
        patch.setattr(selection, "find_near_duplicates", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_corpus(extended(folder, [SOURCES[2]]), tmp_path / "corpora")
    build_corpus(extended(folder, [SOURCES[2]]), tmp_path / "corpora")
    assert searches[1] > 0
    assert sorted(path.name for path in folder.parent.glob(".search*")) == [".searched"]


@pytest.fixture
def longest_file():
    """`longest_file(bytes)`: no file may be longer, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("make", [lambda room: room.zeros("x", 9000, np.uint8), lambda room: _grown(room, 9000)])
def test_a_disk_without_room_is_an_error_that_names_the_file(tmp_path, longest_file, make):
    room = Workspace(tmp_path)
    longest_file(8192)
    with pytest.raises(UnavailableError, match=r"/x: .*\n.*make room on this disk"):
        make(room)


def _grown(room: Workspace, size: int) -> np.ndarray:
    growing = room.growing("x", np.uint8)
    growing.append(np.zeros(size, np.uint8))
    return growing.whole()


def test_without_room_to_keep_the_search_a_corpus_is_built_all_the_same(config, tmp_path, monkeypatch, capfd):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("prompts.searched.write_json", full)
        folder = build_corpus(config, tmp_path / "corpora")
    assert "No space left on device; the next build will search among all prompts" in capfd.readouterr().err
    assert build_corpus(config, tmp_path / "elsewhere").name == folder.name
    assert not list(folder.parent.glob(".search*"))
