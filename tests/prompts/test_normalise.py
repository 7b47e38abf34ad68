"""Keys and ids: two ways to the same key, the published hash, and language scores that equal the plain definition."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.clean import normalise, normalise_texts, prompt_id, prompt_ids
from prompts.language import _LEAST_SHARE, _LETTERS, _SCRIPTS, _WORDS, guess_languages
from prompts.sources import SAMPLES

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=80), st.text("ab k8,.- ", max_size=20)), max_size=20)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("8 K", "8k"),
        ("a cube, 8 k, 4 K", "a cube 8k 4k"),
        ("8 k k", "8k k"),
        ("a8 k", "a8 k"),
        ("8 k8", "8 k8"),
        ("1 2 k", "1 2k"),
        ("k", "k"),
        ("8 k 8 k", "8k 8k"),
        ("८ k", "८k"),
        ("é 8 k", "é 8k"),
        ("e\u200d\u0301", "é"),
        ("H\u0331", "\u1e96"),
        ("❤️ a cube 3️⃣", "❤ a cube 3"),
        ("\ufe0f\u0301", ""),
        ("\u3164 a\u034fb", "ab"),
    ],
)
def test_keys(text, key):
    assert normalise(text) == key
    assert normalise(key) == key


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_ids_are_the_published_hash_of_the_bytes(rows):
    xxhash = pytest.importorskip("xxhash")
    keys = pl.Series(rows, dtype=pl.String)
    expected = [xxhash.xxh64_intdigest((text or "").encode()) for text in rows]
    assert prompt_ids(keys).to_list() == expected
    assert prompt_ids(keys).dtype == pl.UInt64
    assert [int(prompt_id(text or ""), 16) for text in rows] == expected


def test_ids_of_every_length():
    """Vectors of the reference implementation; then lengths around each of its blocks."""
    assert prompt_id("") == "ef46db3751d8e999"
    assert prompt_id("a") == "d24ec4f1a98c6e5b"
    assert prompt_id("abc") == "44bc2cf5ad770999"
    texts = ["x" * size for size in range(200)]
    assert prompt_ids(pl.Series(texts)).n_unique() == 200
    assert prompt_ids(pl.Series(["skipped", *texts]).slice(1)).to_list() == [int(prompt_id(text), 16) for text in texts]


def plain_languages(keys: pl.Series) -> list[str]:
    """The definition, with one pattern for each language."""
    guesses = []
    for key in keys.fill_null(""):
        row = pl.Series([key])
        letters = row.str.count_matches(r"\p{L}")[0]
        if not row.str.contains(r"^[\p{Latin}\p{N}\p{M}\s]+$")[0]:
            counts = ((code, row.str.count_matches(pattern)[0]) for code, pattern in _SCRIPTS.items())
            guesses.append(next((c for c, n in counts if n > letters * _LEAST_SHARE.get(c, 1 / 3)), "und"))
            continue
        words = key.split(" ")
        scores = {code: sum(word in known.split() for word in words) for code, known in _WORDS.items()}
        for code, marks in _LETTERS.items():
            scores[code] += row.str.contains(marks)[0]
        best = max(scores.values())
        first = [code for code, score in scores.items() if score == best]
        sure = best > 1 or (best == 1 and scores["en"] == 1)
        guesses.append(first[0] if sure and len(first) == 1 else "und")
    return guesses


_WORD = st.sampled_from(
    [*sorted({word for words in _WORDS.values() for word in words.split()}), "x", "ñ", "куб", "球", ""]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.lists(_WORD, max_size=6).map(" ".join), st.text(max_size=12), st.none()), max_size=12))
def test_languages_are_scored_as_the_plain_definition_does(rows):
    keys = pl.Series(rows, dtype=pl.String)
    assert guess_languages(keys).to_list() == plain_languages(keys)
    keys = normalise_texts(keys)
    assert guess_languages(keys).to_list() == plain_languages(keys)


def test_languages_of_the_samples_are_the_plain_ones():
    rows = json.loads((SAMPLES / "languages.json").read_text(encoding="utf-8"))
    solids = (SAMPLES / "solids.txt").read_text(encoding="utf-8").splitlines()[:300]
    keys = normalise_texts(pl.Series([row["prompt"] for row in rows] + solids))
    guesses = guess_languages(keys)
    assert guesses.to_list() == plain_languages(keys)
    assert guesses.n_unique() >= 8
