"""Which segments are style and which are subject, learned from the prompts themselves.

A style is said of many subjects: its words come after the first comma of prompts that begin with ever other words, and
seldom in beginnings. So each word gets a share (how many different subjects it follows, against how many it is part
of) and each segment the mean of its words. Prompts with the same subject count once, so that a subject repeated in
many variations does not make its own details a style.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from prompts.dedup.groups import group
from prompts.dedup.language import FUNCTION
from prompts.dedup.profile import Profile
from prompts.dedup.tables import find, make_table, part_of, parts_for, slot_of
from prompts.dedup.tokens import SEGMENT, Tokens
from prompts.kernels import kernel
from prompts.workspace import Workspace

_STYLE_SHARE = 0.6
_DETAIL_SHARE = 0.45
"""Of a segment that may be style, though too little is known of it."""
_COMMON = 20
"""Different subjects after which a segment is common; a common one needs a lower share."""
_COMMON_SHARE = 0.5
_PURE_WORD_SHARE, _PURE_PHRASE_SHARE = 0.85, 0.7
"""Of a word, or a phrase, that is style even where no comma parts it from the subject."""
_SUBJECTS_OF_PHRASE = 5
"""Different subjects that a phrase has to follow for that."""


@dataclass(frozen=True)
class Style:
    """What was learned."""

    segment_is_style: NDArray[np.bool_]  # [S]
    segment_is_detail: NDArray[np.bool_]  # [S] nothing that prompts begin with; it may be style
    phrases: NDArray[np.uint64]  # sorted sets of words of style segments that follow several subjects


def learn_style(tokens: Tokens, profile: Profile, workspace: Workspace | None = None, memory: float = inf) -> Style:
    """Learn from all prompts.

    Args:
        tokens, profile: of the prompts.
        workspace: of the large arrays; default memory.
        memory: bytes for a table of segments; what has more goes through in several parts.
    """
    heads = _heads(profile.segment_offsets, profile.segment_sets)
    order = np.concatenate(group(heads))
    tails, starts = _count_words(
        order, heads, tokens.words, tokens.borders, tokens.offsets, tokens.kinds, len(tokens.hashes), SEGMENT, FUNCTION
    )
    share = ((tails + 0.5) / (tails + starts + 2.0)).astype(np.float32)
    is_style, is_detail = (
        (workspace or Workspace()).zeros(f"style.{name}", len(profile.segment_sets), np.bool_)
        for name in ("segment_is_style", "segment_is_detail")
    )
    parts = parts_for(len(profile.segment_sets), memory)
    phrases = []
    for part in range(parts):
        keys, subjects = _count_segments(order, heads, profile.segment_offsets, profile.segment_sets, part, parts)
        slots, _ = make_table(keys)
        pure = _judge(
            tokens.words, tokens.offsets, tokens.kinds, share, profile.segment_offsets, profile.segment_sets,
            profile.segment_starts, slots, keys, subjects, part, parts, FUNCTION, is_style, is_detail,
            _STYLE_SHARE, _DETAIL_SHARE, _COMMON, _COMMON_SHARE, _PURE_WORD_SHARE, _PURE_PHRASE_SHARE,
        )  # fmt: skip
        phrases.append(keys[pure & (subjects >= _SUBJECTS_OF_PHRASE)])
    return Style(is_style, is_detail, np.unique(np.concatenate(phrases)))


@kernel()
def _heads(segment_offsets, segment_sets):
    heads = np.zeros(len(segment_offsets) - 1, np.uint64)
    for row in range(len(heads)):
        if segment_offsets[row + 1] > segment_offsets[row]:
            heads[row] = segment_sets[segment_offsets[row]]
    return heads


@kernel()
def _count_words(order, heads, words, borders, offsets, kinds, distinct, segment_border, function):
    """[W] different beginnings that a word follows, and that it is part of."""
    tails, starts = np.zeros(distinct, np.int32), np.zeros(distinct, np.int32)
    last_tail, last_start = np.full(distinct, -1, np.int64), np.full(distinct, -1, np.int64)
    group = -1
    previous = np.uint64(0)
    for row in order:
        if group < 0 or heads[row] != previous:
            group += 1
            previous = heads[row]
        segment = 0
        content = False
        for place in range(offsets[row], offsets[row + 1]):
            if borders[place] == segment_border and content:
                segment += 1
            word = words[place]
            if kinds[word] & function:
                continue
            content = True
            if segment == 0:
                if last_start[word] != group:
                    last_start[word] = group
                    starts[word] += 1
            elif last_tail[word] != group:
                last_tail[word] = group
                tails[word] += 1
    return tails, starts


@kernel()
def _count_segments(order, heads, segment_offsets, segment_sets, part, parts):
    """Sets, of one part, of segments that follow a beginning, and how many different ones."""
    total = 0
    for segment in segment_sets:
        total += part_of(segment, parts) == part
    size = 1 << 12
    while size < total:
        size *= 2
    mask = np.uint64(2 * size - 1)
    slots = np.full(2 * size, -1, np.int32)
    keys, counts, last = np.empty(total, np.uint64), np.zeros(total, np.int32), np.full(total, -1, np.int32)
    used, group = 0, -1
    previous = np.uint64(0)
    for row in order:
        if group < 0 or heads[row] != previous:
            group += 1
            previous = heads[row]
        for segment in range(segment_offsets[row] + 1, segment_offsets[row + 1]):
            key = segment_sets[segment]
            if part_of(key, parts) != part:
                continue
            slot = slot_of(key, mask)
            while slots[slot] >= 0 and keys[slots[slot]] != key:
                slot = (slot + np.uint64(1)) & mask
            index = slots[slot]
            if index < 0:
                index = used
                slots[slot] = index
                keys[index] = key
                used += 1
            if last[index] != group:
                last[index] = group
                counts[index] += 1
    return keys[:used].copy(), counts[:used].copy()


@kernel()
def _judge(
    words, offsets, kinds, share, segment_offsets, segment_sets, segment_starts, slots, keys, subjects, part, parts,
    function, is_style, is_detail, style_share, detail_share, common, common_share, pure_word, pure_phrase,
):  # fmt: skip
    """Mark the segments, of one part, that are style; returns of each key whether it is nothing else."""
    pure = np.zeros(len(keys), np.bool_)
    for row in range(len(segment_offsets) - 1):
        for segment in range(segment_offsets[row], segment_offsets[row + 1]):
            if part_of(segment_sets[segment], parts) != part:
                continue
            start = offsets[row] + segment_starts[segment]
            end = offsets[row + 1]
            if segment + 1 < segment_offsets[row + 1]:
                end = offsets[row] + segment_starts[segment + 1]
            total, count = 0.0, 0
            for place in range(start, end):
                if not kinds[words[place]] & function:
                    total += share[words[place]]
                    count += 1
            index = find(slots, keys, segment_sets[segment])
            seen = subjects[index] if index >= 0 else 0
            threshold = common_share if seen >= common else style_share
            is_style[segment] = count > 0 and total >= threshold * count
            is_detail[segment] = total >= detail_share * count
            if index >= 0 and count > 0 and total >= (pure_word if count == 1 else pure_phrase) * count:
                pure[index] = True
    return pure
