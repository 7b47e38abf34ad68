"""Columns of strings as the bytes they are in memory, for compiled loops; and the hash of a word."""

import numpy as np
import polars as pl
from numba import njit

SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_PHRASE = np.uint64(0x9E3779B97F4A7C15)


def utf8(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of all rows end to end, and where rows begin; nulls are empty.

    Returns:
        `data` (uint8) and `offsets` (int64, one more than rows): row `i` is `data[offsets[i]:offsets[i + 1]]`.
    """
    array = texts.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    if data is None or data.size == 0:
        return np.zeros(0, dtype=np.uint8), np.zeros(len(array) + 1, dtype=np.int64)
    return np.frombuffer(data, dtype=np.uint8), starts


@njit(cache=True, nogil=True, inline="always")
def grow(state, byte):
    """The hash of a word, one byte further (FNV-1a; begins with `SEED`)."""
    return (state ^ np.uint64(byte)) * _PRIME


@njit(cache=True, nogil=True, inline="always")
def finish(state):
    """Spread a grown hash over all 64 bits; never 0, which marks free places of tables."""
    state ^= state >> np.uint64(32)
    state *= _PHRASE
    state ^= state >> np.uint64(29)
    return state | np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def join(first, second):
    """The hash of a phrase from those of its first words and its last."""
    return finish(first * _PHRASE + second)


@njit(cache=True, nogil=True)
def hash_word(data, start, stop):
    """The hash of `data[start:stop]`."""
    state = SEED
    for i in range(start, stop):
        state = grow(state, data[i])
    return finish(state)
