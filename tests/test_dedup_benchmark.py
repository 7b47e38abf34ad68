"""The benchmark of deduplication plants what it says and counts it right."""

import polars as pl
import pytest

from benchmarks.dedup import planted
from benchmarks.dedup.score import kept_rows, score
from prompts.clean import clean_texts, normalise_texts


@pytest.fixture(scope="module")
def rows():
    return planted.generate(3000, seed=5)


def test_the_same_seed_gives_the_same_corpus(rows):
    assert planted.generate(3000, seed=5) == rows != planted.generate(3000, seed=6)
    assert len(rows) == 3000


def test_what_is_planted_is_what_it_is_called(rows):
    bases = {row.cluster: row.text for row in rows if row.kind == "base"}
    kinds = {row.kind for row in rows}
    assert kinds == {"base", "hard", "exact", *planted.CHANGES}
    keys = {cluster: normalise(text) for cluster, text in bases.items()}
    assert len({*keys.values()}) == len(bases), "bases are distinct"
    for row in rows:
        if row.kind == "hard":
            assert row.cluster not in bases and row.origin in bases
            assert normalise(row.text) != keys[row.origin]
        elif row.kind in ("words swapped", "segments swapped"):
            assert sorted(normalise(row.text).split()) == sorted(keys[row.origin].split())
        elif row.kind == "tag dropped":
            assert row.text.count(",") == bases[row.origin].count(",") - 1


def test_wrappers_come_off_again(tmp_path):
    prompts, truth = planted.write(2000, 1, tmp_path)
    shown, true = pl.read_parquet(prompts)["text"], pl.read_parquet(truth)
    wrapped = shown.str.starts_with("**")
    assert 0.3 < wrapped.mean() < 0.5
    assert true["row"].to_list() == list(range(1, 2001))
    plain = normalise_texts(clean_texts(shown)["text"])
    assert (plain == normalise_texts(clean_texts(true["text"])["text"])).all()


def normalise(text: str) -> str:
    return normalise_texts(pl.Series([text]))[0]


TRUTH = pl.DataFrame(
    {
        "row": [1, 2, 3, 4, 5, 6],
        "cluster": [0, 0, 0, 1, 2, 2],
        "kind": ["base", "typo", "exact", "base", "hard", "exact"],
    }
)


def test_a_perfect_deduplication():
    found = score(TRUTH, pl.Series([1, 1, 1, 4, 5, 5]))
    assert (found.recall, found.precision, found.lost, found.hard_merged, found.by_kind) == (1, 1, 0, 0, {"typo": 1})


def test_nothing_done():
    found = score(TRUTH, pl.Series([1, 2, 3, 4, 5, 6]))
    assert (found.recall, found.lost, found.hard_merged, found.by_kind) == (0, 0, 0, {"typo": 0})


def test_everything_merged():
    found = score(TRUTH, pl.Series([1] * 6))
    assert (found.recall, found.precision, found.hard_merged) == (1, 2 / 5, 1)
    assert found.lost == pytest.approx(2 / 3)


def test_rows_that_are_refused_tell_nothing():
    found = score(TRUTH, pl.Series([1, 1, 1, None, 5, 5], dtype=pl.UInt32))
    assert found.lost == pytest.approx(1 / 3) and found.precision == 1


def test_clusters_of_a_corpus_as_rows():
    clusters = pl.DataFrame(
        {
            "source_row": [3, 1, 2, 4],
            "prompt_id": ["b", "a", "b", "c"],
            "kept_prompt_id": ["b", "a", "b", None],
            "rule": ["exact", None, None, "unsafe"],
        }
    )
    assert kept_rows(clusters).to_list() == [1, 2, 2, None]
