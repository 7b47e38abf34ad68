"""How much of a prompt only says again what it has said."""

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.scores.word_hash import SEED, finish, grow
from prompts.strings import strings_of


def repetition(rows: pl.DataFrame) -> pl.Series:
    """Share of the words of `key` that stand earlier in the same row, in [0, 1)."""
    return pl.Series(_repeated(*strings_of(rows["key"])), dtype=pl.Float32)


@kernel()
def _repeated(data, offsets):
    rows = len(offsets) - 1
    longest = 1
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    size = 64
    while size < longest + 2:  # at least twice the words of any row
        size *= 2
    mask = np.uint64(size - 1)
    hashes = np.zeros(size, dtype=np.uint64)
    seen_in = np.full(size, -1, dtype=np.int64)  # a place is taken if it was written for this row
    shares = np.zeros(rows, dtype=np.float32)
    for row in range(rows):
        words = 0
        repeated = 0
        state = SEED
        filled = False
        stop = offsets[row + 1]
        for i in range(offsets[row], stop + 1):
            if i < stop and data[i] != 32:
                state = grow(state, data[i])
                filled = True
            elif filled:
                word = finish(state)
                words += 1
                place = word & mask
                while seen_in[place] == row and hashes[place] != word:
                    place = (place + np.uint64(1)) & mask
                if seen_in[place] == row:
                    repeated += 1
                else:
                    seen_in[place] = row
                    hashes[place] = word
                state = SEED
                filled = False
        if words:
            shares[row] = repeated / words
    return shares
