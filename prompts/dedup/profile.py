"""What the joins compare: each prompt as a sum over its set of words, whole and by segment.

A set of words is the sum of its words' 64-bit hashes, so leaving a word or a segment out is one subtraction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prompts.dedup.language import FUNCTION
from prompts.dedup.tokens import SEGMENT, Tokens
from prompts.kernels import kernel
from prompts.workspace import Workspace


@dataclass(frozen=True)
class Profile:
    """Sets of words of N prompts and their S segments. Only words of meaning count, each once."""

    sets: NDArray[np.uint64]  # [N] the whole prompt
    sizes: NDArray[np.int32]  # [N] how many words
    segment_offsets: NDArray[np.int64]  # [N + 1]
    segment_sets: NDArray[np.uint64]  # [S]
    segment_own: NDArray[np.uint64]  # [S] of words that no other segment of the prompt has
    segment_own_sizes: NDArray[np.int32]  # [S]
    segment_starts: NDArray[np.int32]  # [S] first word, counted from the prompt's first
    counts: NDArray[np.int32]  # [W] prompts that hold a word


def make_profile(tokens: Tokens, workspace: Workspace | None = None) -> Profile:
    """Sets of words of all prompts.

    Args:
        tokens: of the prompts.
        workspace: of the large arrays; default memory.
    """
    make = (workspace or Workspace()).zeros
    rows, words = len(tokens), len(tokens.hashes)
    most = rows + int(np.count_nonzero(tokens.borders == SEGMENT))
    sets, sizes, offsets = make(rows, np.uint64), make(rows, np.int32), make(rows + 1, np.int64)
    segments = make(most, np.uint64), make(most, np.uint64), make(most, np.int32), make(most, np.int32)
    counts = np.zeros(words, np.int32)
    total = _profile(
        tokens.words, tokens.borders, tokens.offsets, tokens.hashes, tokens.kinds, SEGMENT, FUNCTION,
        sets, sizes, offsets, *segments, counts,
    )  # fmt: skip
    segment_sets, own, own_sizes, starts = (array[:total] for array in segments)
    return Profile(sets, sizes, offsets, segment_sets, own, own_sizes, starts, counts)


@kernel()
def _profile(
    words, borders, offsets, hashes, kinds, segment_border, function,
    sets, sizes, segment_offsets, segment_sets, segment_own, segment_own_sizes, segment_starts, counts,
):  # fmt: skip
    """Fill the arrays of a `Profile`, which are all zero; returns how many segments there are."""
    rows = len(offsets) - 1
    seen_row, seen_segment = np.full(len(hashes), -1, np.int32), np.full(len(hashes), -1, np.int32)
    shared = np.zeros(len(hashes), np.bool_)
    last = -1
    for row in range(rows):
        fresh = True
        for place in range(offsets[row], offsets[row + 1]):
            if borders[place] == segment_border:
                fresh = True
            word = words[place]
            if kinds[word] & function:
                continue
            if fresh:
                last += 1
                start = place
                while borders[start] != segment_border and start > offsets[row]:
                    start -= 1
                segment_starts[last] = start - offsets[row]
                fresh = False
            if seen_row[word] != row:
                seen_row[word] = row
                shared[word] = False
                counts[word] += 1
                sets[row] += hashes[word]
                sizes[row] += 1
                segment_own[last] += hashes[word]
                segment_own_sizes[last] += 1
            elif seen_segment[word] == last:
                continue
            elif not shared[word]:
                shared[word] = True
                segment_own[seen_segment[word]] -= hashes[word]
                segment_own_sizes[seen_segment[word]] -= 1
            seen_segment[word] = last
            segment_sets[last] += hashes[word]
        segment_offsets[row + 1] = last + 1
    return last + 1
