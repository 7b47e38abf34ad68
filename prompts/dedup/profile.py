"""What the joins compare: each prompt as a sum over its set of words, whole and by segment.

A set of words is the sum of its words' 64-bit hashes, so leaving a word or a segment out is one subtraction.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from prompts.beside import cores
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


def make_profile(tokens: Tokens, workspace: Workspace | None = None, earlier: Profile | None = None) -> Profile:
    """Sets of words of all prompts.

    Args:
        tokens: of the prompts.
        workspace: of the large arrays; default memory.
        earlier: of the first of them, which are not looked at again.
    """
    t, workspace = tokens, workspace or Workspace()
    first, segments = (len(earlier.sets), len(earlier.segment_sets)) if earlier else (0, 0)
    bounds = np.linspace(first, len(t), cores() + 1).astype(np.int64)
    spans = list(pairwise(bounds.tolist()))

    def make(name: str, size: int, kind: DTypeLike) -> NDArray[Any]:
        array = workspace.zeros(f"profile.{name}", size, kind)
        if earlier:
            array[: len(getattr(earlier, name))] = getattr(earlier, name)
        return array

    with ThreadPoolExecutor(len(spans)) as pool:
        found = pool.map(lambda span: _count_segments(t.words, t.borders, t.offsets, t.kinds, *span), spans)
        ends = np.cumsum([segments, *found]).tolist()
        sets, sizes = make("sets", len(t), np.uint64), make("sizes", len(t), np.int32)
        offsets, segment_sets = make("segment_offsets", len(t) + 1, np.int64), make("segment_sets", ends[-1], np.uint64)
        own, own_sizes = make("segment_own", ends[-1], np.uint64), make("segment_own_sizes", ends[-1], np.int32)
        starts = make("segment_starts", ends[-1], np.int32)
        counts = pool.map(
            lambda span, begin: _profile(
                t.words, t.borders, t.offsets, t.hashes, t.kinds, *span, sets, sizes, offsets,
                segment_sets, own, own_sizes, starts, begin,
            ),
            spans, ends,
        )  # fmt: skip
        counted = np.stack(list(counts)).sum(axis=0, dtype=np.int32)
    if earlier:
        counted[: len(earlier.counts)] += earlier.counts
    return Profile(sets, sizes, offsets, segment_sets, own, own_sizes, starts, counted)


@kernel()
def _count_segments(words, borders, offsets, kinds, begin, end):
    """How many segments that hold a word of meaning there are in some rows."""
    count = 0
    for row in range(begin, end):
        fresh = True
        for place in range(offsets[row], offsets[row + 1]):
            fresh = fresh or borders[place] == SEGMENT
            if fresh and not kinds[words[place]] & FUNCTION:
                count += 1
                fresh = False
    return count


@kernel()
def _profile(
    words, borders, offsets, hashes, kinds, begin, end,
    sets, sizes, segment_offsets, segment_sets, segment_own, segment_own_sizes, segment_starts, first,
):  # fmt: skip
    """Fill the arrays of a `Profile`, which are zero there, for some rows, whose segments begin at `first`; returns
    their `counts`."""
    counts = np.zeros(len(hashes), np.int32)
    seen_row, seen_segment = np.full(len(hashes), -1, np.int32), np.full(len(hashes), -1, np.int32)
    shared = np.zeros(len(hashes), np.bool_)
    last = first - 1
    for row in range(begin, end):
        fresh = True
        for place in range(offsets[row], offsets[row + 1]):
            if borders[place] == SEGMENT:
                fresh = True
            word = words[place]
            if kinds[word] & FUNCTION:
                continue
            if fresh:
                last += 1
                start = place
                while borders[start] != SEGMENT and start > offsets[row]:
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
    return counts
