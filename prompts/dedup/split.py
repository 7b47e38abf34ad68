"""Each prompt cut into subject and style, as `style` tells its segments apart."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.dedup.near import NearDuplicates
from prompts.kernels import kernel
from prompts.strings import Strings, series_of, strings_of

_TRIMMED = np.array([byte in b" ,;.|:-\t\n" for byte in range(256)])


def split_style(texts: pl.Series, near: NearDuplicates, places: NDArray[np.int64] | None = None) -> pl.DataFrame:
    """Columns `subject` and `style`, both as they are written; a prompt that is all style is its own subject.

    Args:
        texts: some of those that `near` was found in.
        places: where `near` has each of them; default: these are all, in order.
    """
    data, offsets = strings_of(texts)
    tokens, profile, style = near.tokens, near.profile, near.style
    parts = _split(
        data,
        offsets,
        np.arange(len(texts)) if places is None else places,
        tokens.places,
        tokens.offsets,
        profile.segment_offsets,
        profile.segment_starts,
        style.segment_is_style,
        _TRIMMED,
    )
    subject, subject_ends, tail, tail_ends = parts
    return pl.DataFrame(
        {"subject": series_of(Strings(subject, subject_ends)), "style": series_of(Strings(tail, tail_ends))}
    )


@kernel()
def _split(data, offsets, prompts, places, word_offsets, segment_offsets, segment_starts, is_style, trimmed):
    rows = len(offsets) - 1
    size = offsets[rows] - offsets[0] + 1
    for prompt in prompts:
        size += 2 * (segment_offsets[prompt + 1] - segment_offsets[prompt])
    subject, tail = np.empty(size, np.uint8), np.empty(size, np.uint8)
    subject_ends, tail_ends = np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64)
    used = np.zeros(2, np.int64)
    for row in range(rows):
        prompt = prompts[row]
        begin, end = segment_offsets[prompt], segment_offsets[prompt + 1]
        plain = True
        for segment in range(begin, end):
            plain = plain and is_style[segment]
        first = used.copy()
        segment = begin
        start = offsets[row]
        while start < offsets[row + 1]:
            # Neighbours of one kind stay together as they are.
            side = 1 if not plain and segment < end and is_style[segment] else 0
            while segment < end and (1 if not plain and is_style[segment] else 0) == side:
                segment += 1
            following = offsets[row + 1]
            if segment < end:
                following = offsets[row] + places[word_offsets[prompt] + segment_starts[segment]]
            stop = following
            while start < stop and trimmed[data[stop - 1]]:
                stop -= 1
            while start < stop and trimmed[data[start]]:
                start += 1
            out = tail if side else subject
            if used[side] > first[side] and start < stop:
                out[used[side]], out[used[side] + 1] = 44, 32
                used[side] += 2
            for position in range(start, stop):
                out[used[side]] = data[position]
                used[side] += 1
            start = following
        subject_ends[row + 1], tail_ends[row + 1] = used[0], used[1]
    return subject[: used[0]].copy(), subject_ends, tail[: used[1]].copy(), tail_ends


def subject_keys(near: NearDuplicates) -> np.ndarray:
    """[N] equal for prompts with the same subject: the words of their segments that are no style."""
    profile, style = near.profile, near.style
    return _subject_keys(profile.sets, profile.segment_offsets, profile.segment_own, style.segment_is_style)


@kernel()
def _subject_keys(sets, segment_offsets, segment_own, is_style):
    keys = sets.copy()
    for row in range(len(keys)):
        subject, plain = np.uint64(0), False
        for segment in range(segment_offsets[row], segment_offsets[row + 1]):
            if not is_style[segment]:
                subject += segment_own[segment]
                plain = True
        if plain:
            keys[row] = subject
    return keys
