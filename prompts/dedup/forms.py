"""Pairs that write one word in another way: as two words, or as several of what is said of the style."""

import numpy as np

from prompts.dedup.language import FUNCTION, GUARDED, NUMERIC
from prompts.dedup.matches import push_matches
from prompts.dedup.meaning import MOST_WORDS
from prompts.dedup.pairs import JOINED, PLURAL
from prompts.dedup.tables import find, make_bits, make_table, maybe, part_of
from prompts.dedup.tokens import extend_hash
from prompts.kernels import kernel

_S, _E = 115, 101


@kernel()
def join_joined(
    words, borders, offsets, hashes, states, kinds, spellings, starts, sets, seekers, rows, keys, part, parts
):
    """Pairs where one writes as one word what the other writes as two; a number and its unit too."""
    known_slots, _ = make_table(states)
    known_bits = make_bits(states)
    full_slots, full_following = make_table(keys)
    full_bits = make_bits(keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in seekers:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last - 1):
            one, two = words[place], words[place + 1]
            if borders[place + 1] or (kinds[one] | kinds[two]) & (FUNCTION | GUARDED) or kinds[one] & kinds[two]:
                continue
            state = extend_hash(states[one], spellings, starts[two], starts[two + 1])
            if not maybe(known_bits, state):
                continue
            joined = find(known_slots, states, state)
            if joined < 0:
                continue
            key = _rewritten(words, first, last, hashes, sets[row], one, two, joined)
            if part_of(key, parts) != part or not maybe(full_bits, key):
                continue
            pairs, count = push_matches(
                words, borders, offsets, hashes, kinds, row, place + 1, place + 2, -1, -1, place, joined, JOINED, rows,
                keys, full_slots, full_following, key, scratch, pairs, count,
            )  # fmt: skip
    return pairs[:count].copy()


@kernel()
def plurals(states, kinds, spellings, starts):
    """[W] the plural of each word among the words, or -1."""
    slots, _ = make_table(states)
    bits = make_bits(states)
    ending = np.array([_E, _S], np.uint8)
    several = np.full(len(states), -1, np.int32)
    for word in range(len(states)):
        end = starts[word + 1]
        if kinds[word] & (FUNCTION | NUMERIC) or end - starts[word] < 3:
            continue
        state = extend_hash(states[word], ending, 0 if _hisses(spellings, end) else 1, 2)
        if maybe(bits, state):
            several[word] = find(slots, states, state)
    return several


@kernel()
def _hisses(spellings, end):
    """Whether a word ends in s, x or h."""
    return spellings[end - 1] == _S or spellings[end - 1] == 120 or spellings[end - 1] == 104


@kernel()
def _singulars(several, spellings, starts):
    """[W, 2] of which words each is the plural, or -1: with `s` and with `es`, as `glasses` of `glasse` and `glass`."""
    found = np.full((len(several), 2), -1, np.int32)
    for word in range(len(several)):
        if several[word] >= 0:
            found[several[word], 1 if _hisses(spellings, starts[word + 1]) else 0] = word
    return found


@kernel()
def join_plurals(
    words, borders, offsets, hashes, kinds, spellings, starts, sets, segment_offsets, segment_starts, is_style,
    several, seekers, rows, keys, part, parts,
):  # fmt: skip
    """Pairs of which one has in the plural what the other has in the singular, in a tag of style.

    `a cat, muted colours` is `a cat, muted colour`. Of a subject the number counts.
    """
    single = _singulars(several, spellings, starts)
    slots, following = make_table(keys)
    bits = make_bits(keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in seekers:
        first, last = offsets[row], offsets[row + 1]
        begin, end = segment_offsets[row], segment_offsets[row + 1]
        for segment in range(begin, end):
            if not is_style[segment] or segment == begin:
                continue
            here = first + segment_starts[segment]
            there = first + segment_starts[segment + 1] if segment + 1 < end else last
            for place in range(here, there):
                word = words[place]
                for form in (several[word], single[word, 0], single[word, 1]):
                    if form < 0:
                        continue
                    key = _rewritten(words, first, last, hashes, sets[row], word, word, form)
                    if part_of(key, parts) != part or not maybe(bits, key):
                        continue
                    pairs, count = push_matches(
                        words, borders, offsets, hashes, kinds, row, -1, -1, -1, -1, place, form, PLURAL, rows, keys,
                        slots, following, key, scratch, pairs, count,
                    )  # fmt: skip
    return pairs[:count].copy()


@kernel()
def _rewritten(words, first, last, hashes, key, one, two, new):
    """The set of a prompt that has `new` for one occurrence of `one` and `two`, which may be the same."""
    ones, twos, there = 0, 0, False
    for place in range(first, last):
        ones += words[place] == one
        twos += words[place] == two
        there = there or words[place] == new
    if ones == 1:
        key -= hashes[one]
    if two != one and twos == 1:
        key -= hashes[two]
    return key if there else key + hashes[new]
