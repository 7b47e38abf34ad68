"""The hash of a word, grown byte by byte in compiled loops."""

import numpy as np

from prompts.kernels import kernel

SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_PHRASE = np.uint64(0x9E3779B97F4A7C15)


@kernel(inline="always")
def grow(state, byte):
    """The hash of a word, one byte further (FNV-1a; begins with `SEED`)."""
    return (state ^ np.uint64(byte)) * _PRIME


@kernel(inline="always")
def finish(state):
    """Spread a grown hash over all 64 bits; never 0, which marks free places of tables."""
    state ^= state >> np.uint64(32)
    state *= _PHRASE
    state ^= state >> np.uint64(29)
    return state | np.uint64(1)


@kernel(inline="always")
def join(first, second):
    """The hash of a phrase from those of its first words and its last."""
    return finish(first * _PHRASE + second)


@kernel()
def hash_word(data, start, stop):
    """The hash of `data[start:stop]`."""
    state = SEED
    for i in range(start, stop):
        state = grow(state, data[i])
    return finish(state)
