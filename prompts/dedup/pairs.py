"""Pairs of prompts that are one, and why: rows of an int32 array [E, 3], prompt, other prompt, rule."""

import numpy as np
from numpy.typing import NDArray

from prompts.kernels import kernel

FUNCTION_WORDS, WORD_ORDER, TYPO, JOINED, TAG, PLURAL, SPELLING = 1, 2, 3, 4, 5, 6, 7
RULES = {
    FUNCTION_WORDS: "function_words",
    WORD_ORDER: "word_order",
    TYPO: "typo",
    JOINED: "joined_word",
    TAG: "style_tag",
    PLURAL: "style_plural",
    SPELLING: "spelling",
}
"""Why two prompts are one."""


@kernel()
def push(pairs, count, one, other, rule):
    """Append a pair; returns the array, which may be a larger one, and how many it holds."""
    if count == len(pairs):
        grown = np.empty((2 * len(pairs), 3), np.int32)
        grown[:count] = pairs
        pairs = grown
    pairs[count, 0], pairs[count, 1], pairs[count, 2] = one, other, rule
    return pairs, count + 1


def unique_pairs(pairs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Each pair and rule once, in ascending order. Prompts are numbered below 2³⁰."""
    # Packed into one number each: many times faster than by rows.
    one, other, rule = (pairs[:, column].astype(np.uint64) for column in range(3))
    packed = one << np.uint64(33) | other << np.uint64(3) | rule
    packed.sort()
    packed = packed[np.flatnonzero(np.diff(packed, prepend=~packed[:1]))]
    columns = packed >> np.uint64(33), packed >> np.uint64(3) & np.uint64((1 << 30) - 1), packed & np.uint64(7)
    return np.stack(columns, axis=1).astype(np.int32)
