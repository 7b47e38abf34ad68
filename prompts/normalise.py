"""The key by which prompts are equal, its 64-bit name, and the key of "same words, other order"."""

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.strings import Strings, series_of, strings_of

PICTOGRAPHS = r"\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}"
"""Emoji and the like: people write with them what they mean. A regular expression's class, without its brackets."""
_INVISIBLE = r"[\p{Cf}\p{Me}\p{Default_Ignorable_Code_Point}]"
"""Format characters, variation selectors, fillers, and what draws a key or a circle around a character."""


def normalise_texts(texts: pl.Series) -> pl.Series:
    """The key by which prompts are equal: compatibility forms, case, punctuation and spacing do not count.

    Diacritics count (they part words in many languages), and so do every digit, emoji and the order of words. The key
    of a key is the key; that of nothing but punctuation is empty.
    """
    strings = strings_of(texts)
    data, offsets, foreign = _fold_ascii(strings.data, strings.offsets)
    keys = series_of(Strings(data, offsets)).alias(texts.name)
    rows = np.flatnonzero(foreign)
    if len(rows):
        keys = keys.scatter(rows, _normalise_any(texts.gather(rows)))
    return keys if texts.null_count() == 0 else pl.select(pl.when(texts.is_not_null()).then(keys)).to_series()


def _normalise_any(texts: pl.Series) -> pl.Series:
    """The definition, for every script."""
    return (
        texts.str.replace_all(_INVISIBLE, "")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_many(["ß", "ς"], ["ss", "σ"])
        # Small letters compose where capitals do not.
        .str.normalize("NFKC")
        .str.replace_all(_INVISIBLE, "")
        # Marks belong to the letter before them, or to nothing.
        .str.replace_all(rf"^\p{{M}}+|(?:[^\p{{L}}\p{{M}}\p{{N}}{PICTOGRAPHS}]+\p{{M}}*)+", " ")
        # As some tokenisers write them.
        .str.replace_all(r"\b(\d+) k\b", "${1}k")
        .str.strip_chars(" ")
    )


def prompt_ids(keys: pl.Series) -> pl.Series:
    """What names each prompt: the 64-bit xxHash (seed 0) of its normalised text, UInt64. Null keys count as empty."""
    strings = strings_of(keys)
    return pl.Series(keys.name, _hash_rows(strings.data, strings.offsets))


def prompt_id(normalised: str) -> str:
    """`prompt_ids` of one key, as 16 hex digits."""
    return f"{prompt_ids(pl.Series([normalised]))[0]:016x}"


def word_sets(keys: pl.Series) -> pl.Series:
    """Normalised text as its sorted distinct words, without English articles: the key of "same words, other order"."""
    words = keys.str.split(" ").list.set_difference(pl.Series([["a", "an", "the"]]))
    return words.list.sort().list.join(" ")


def _fold_table() -> np.ndarray:
    """Small letters and digits of ASCII as they are, capitals made small, everything else 0."""
    table = np.zeros(256, np.uint8)
    for code in range(128):
        if chr(code).isalnum():
            table[code] = ord(chr(code).lower())
    return table


_FOLD = _fold_table()


@kernel()
def _fold_ascii(data, offsets):  # pragma: no cover - compiled
    """Keys of the rows that are ASCII; the others are empty and marked."""
    rows = len(offsets) - 1
    folded = np.empty(offsets[-1] - offsets[0], np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    foreign = np.zeros(rows, np.bool_)
    at = 0
    for row in range(rows):
        first = at
        gap = False
        word = at  # where the present word begins
        digits = True  # of the present word, so far
        joinable = False  # the word before is a number
        for i in range(offsets[row], offsets[row + 1]):
            byte = data[i]
            if byte >= 0x80:
                foreign[row] = True
                at = first
                break
            letter = _FOLD[byte]
            if letter == 0:
                gap = True
                continue
            if gap:
                gap = False
                if at > first:
                    # "8 k" is 8k.
                    if joinable and at - word == 1 and folded[word] == 107:
                        folded[word - 1] = 107
                        at -= 1
                        joinable = False
                    else:
                        joinable = digits
                    folded[at] = 32
                    at += 1
                word, digits = at, True
            digits &= letter <= 57
            folded[at] = letter
            at += 1
        if joinable and at - word == 1 and at > first and folded[word] == 107:
            folded[word - 1] = 107
            at -= 1
        ends[row + 1] = at
    return folded[:at], ends, foreign


_P1, _P2, _P3 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_P4, _P5 = np.uint64(0x85EBCA77C2B2AE63), np.uint64(0x27D4EB2F165667C5)


@kernel(inline="always")
def _rotate(value, bits):  # pragma: no cover - compiled
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@kernel(inline="always")
def _word(data, at, size):  # pragma: no cover - compiled
    """`size` bytes, little endian."""
    value = np.uint64(0)
    for k in range(size):
        value |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return value


@kernel()
def hash_bytes(data, start, end):  # pragma: no cover - compiled
    """xxHash64 of `data[start:end]` with seed 0."""
    size = np.uint64(end - start)
    at = start
    if end - start >= 32:
        a, b, c, d = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
        while at + 32 <= end:
            a = _rotate(a + _word(data, at, 8) * _P2, 31) * _P1
            b = _rotate(b + _word(data, at + 8, 8) * _P2, 31) * _P1
            c = _rotate(c + _word(data, at + 16, 8) * _P2, 31) * _P1
            d = _rotate(d + _word(data, at + 24, 8) * _P2, 31) * _P1
            at += 32
        value = _rotate(a, 1) + _rotate(b, 7) + _rotate(c, 12) + _rotate(d, 18)
        for lane in (a, b, c, d):
            value = (value ^ (_rotate(lane * _P2, 31) * _P1)) * _P1 + _P4
    else:
        value = _P5
    value += size
    while at + 8 <= end:
        value = _rotate(value ^ (_rotate(_word(data, at, 8) * _P2, 31) * _P1), 27) * _P1 + _P4
        at += 8
    if at + 4 <= end:
        value = _rotate(value ^ (_word(data, at, 4) * _P1), 23) * _P2 + _P3
        at += 4
    while at < end:
        value = _rotate(value ^ (np.uint64(data[at]) * _P5), 11) * _P1
        at += 1
    value = (value ^ (value >> np.uint64(33))) * _P2
    value = (value ^ (value >> np.uint64(29))) * _P3
    return value ^ (value >> np.uint64(32))


@kernel()
def _hash_rows(data, offsets):  # pragma: no cover - compiled
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        hashes[row] = hash_bytes(data, offsets[row], offsets[row + 1])
    return hashes
