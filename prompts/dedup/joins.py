"""Pairs of prompts that mean the same, each found by looking up one exact key; misspelt ones are in `slips`, other
ways to write a word in `forms`.

A *leader* is a prompt that is no rewording of one before it, with the same words of meaning; joins that leave
something out go over leaders only.
"""

import numpy as np

from prompts.dedup.language import ARTICLE, CONJUNCTION_WORD, FUNCTION, GUARDED, NEGATION, NUMERIC
from prompts.dedup.matches import push_matches
from prompts.dedup.meaning import DIFFERENT, MOST_WORDS, SAME, functions_agree, same_order
from prompts.dedup.pairs import FUNCTION_WORDS, SPELLING, TAG, WORD_ORDER, push
from prompts.dedup.tables import find, make_bits, make_table, maybe, part_of
from prompts.kernels import kernel

_MOST_ALIKE = 32
"""Prompts with one set of words that others of the set are compared with."""
_MOST_SEGMENTS = 64
_LONGEST_PHRASE = 4


@kernel()
def join_equal_sets(words, borders, offsets, hashes, kinds, respelt, sets, sizes, order):
    """Pairs with the same words of meaning; pairs in which two words changed places; which rows are leaders.

    Of one set come first those that say most of what is where. Each of the others joins the first that means the same,
    and of the rest those that do not say otherwise than this one: `cat box` is either `a cat in a box` or `a cat on a
    box`, and makes no one thing of the two.

    Args:
        order: rows whose set others have too, those of one set side by side.

    Returns:
        Pairs, an int32 array [X, 4] of doubtful ones (prompt, other prompt, two places of words), and [N] leaders.
    """
    pairs, count = np.empty((1024, 3), np.int32), 0
    doubts, doubtful = np.empty((1024, 4), np.int32), 0
    leads = np.ones(len(sets), np.bool_)
    scratch = np.empty((4, MOST_WORDS), np.int64)
    members = np.empty(_MOST_ALIKE, np.int32)
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and sets[order[end]] == sets[order[start]]:
            end += 1
        found = 0
        for row in _most_said_first(words, offsets, kinds, order[start:end]):
            joined = -1
            for index in range(found if sizes[row] > 0 else 0):
                member = members[index]
                if joined >= 0 and not functions_agree(
                    words, kinds, offsets[joined], offsets[joined + 1], offsets[member], offsets[member + 1], scratch
                ):
                    continue
                same = same_order(
                    words, borders, hashes, kinds, offsets[row], offsets[row + 1], offsets[member],
                    offsets[member + 1], -1, -1, -1, -1, -1, -1, scratch,
                )  # fmt: skip
                rule = 0
                if same == SAME:
                    rule = FUNCTION_WORDS if respelt[row] == respelt[member] else SPELLING
                elif same != DIFFERENT:
                    rule = WORD_ORDER
                else:
                    one, other = _exchanged(words, offsets[row], offsets[row + 1], offsets[member], offsets[member + 1])
                    if one < 0:
                        continue
                    first, second = words[offsets[row] + one], words[offsets[row] + other]
                    if (kinds[first] ^ kinds[second]) & FUNCTION:
                        # A small word in the place of a word of meaning says nothing else, it is only wrong.
                        rule = WORD_ORDER
                    elif not kinds[first] & FUNCTION:
                        if doubtful == len(doubts):
                            grown = np.empty((2 * doubtful, 4), np.int32)
                            grown[:doubtful] = doubts
                            doubts = grown
                        doubts[doubtful, 0], doubts[doubtful, 1] = row, member
                        doubts[doubtful, 2], doubts[doubtful, 3] = one, other
                        doubtful += 1
                if rule:
                    pairs, count = push(pairs, count, row, member, rule)
                    joined = member if joined < 0 else joined
            leads[row] = joined < 0 and found < _MOST_ALIKE
            if found < _MOST_ALIKE:
                members[found] = row
                found += 1
        start = end
    return pairs[:count].copy(), doubts[:doubtful].copy(), leads


@kernel()
def _most_said_first(words, offsets, kinds, rows):
    """By how many function words they have that make a difference, else in their order."""
    if len(rows) < 2:
        return rows
    said = np.zeros(len(rows), np.int64)
    for index in range(len(rows)):
        for place in range(offsets[rows[index]], offsets[rows[index] + 1]):
            kind = kinds[words[place]]
            said[index] -= (kind & FUNCTION != 0) & (kind & (ARTICLE | CONJUNCTION_WORD) == 0)
    for index in range(1, len(rows)):
        if said[index] < said[index - 1]:
            return rows[np.argsort(said, kind="mergesort")]
    return rows


@kernel()
def _exchanged(words, a, a_end, b, b_end):
    """Places, counted from the beginning, of the two words by whose exchange two prompts differ; else -1."""
    one, other = -1, -1
    if a_end - a == b_end - b:
        for place in range(a_end - a):
            if words[a + place] != words[b + place]:
                if one < 0:
                    one = place
                elif other < 0:
                    other = place
                else:
                    return -1, -1
    if other < 0 or words[a + one] != words[b + other] or words[a + other] != words[b + one]:
        return -1, -1
    return one, other


@kernel()
def exchanged_in_style(exchanged, segment_offsets, segment_starts, is_style):
    """Those pairs with two words exchanged, [X, 4] of `join_equal_sets`, in which both are of the style.

    In a subject `a copper flask with leather straps` is no slip of `a leather flask with copper straps`.
    """
    chosen = np.zeros(len(exchanged), np.bool_)
    for index in range(len(exchanged)):
        chosen[index] = True
        for side in range(2):
            begin, end = segment_offsets[exchanged[index, side]], segment_offsets[exchanged[index, side] + 1]
            for which in range(2):
                segment = begin
                while segment + 1 < end and segment_starts[segment + 1] <= exchanged[index, 2 + which]:
                    segment += 1
                chosen[index] &= segment < end and is_style[segment]
    return exchanged[chosen]


@kernel()
def join_tagged(
    words, borders, offsets, hashes, kinds, sets, sizes, segment_offsets, segment_own, segment_own_sizes,
    segment_starts, is_style, is_detail, phrases, seekers, rows, keys, part, parts, detail_ratio, tags_for_two,
):  # fmt: skip
    """Pairs (longer, shorter) where one has a tag that the other lacks: of style, or a detail small beside the rest.

    Args:
        seekers: those that may be longer.
        rows, keys: those that may be shorter, of one part.
        detail_ratio: words of meaning left for each in a detail that is no style.
        tags_for_two: tags of style in a prompt from which on two may be missing.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    phrase_bits = make_bits(phrases)
    phrase_slots, _ = make_table(phrases)
    pairs, count = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    tail_sets, tail_places = np.empty(_LONGEST_PHRASE, np.uint64), np.empty(_LONGEST_PHRASE, np.int64)
    for row in seekers:
        first, last = offsets[row], offsets[row + 1]
        begin, end = segment_offsets[row], segment_offsets[row + 1]
        if end - begin > _MOST_SEGMENTS:
            continue
        styles = 0
        for segment in range(begin, end):
            styles += is_style[segment]
        for segment in range(begin, end):
            own, size = segment_own[segment], segment_own_sizes[segment]
            if size >= sizes[row] or (size == 0 and not is_style[segment]):
                continue
            if segment == begin and styles == end - begin:
                continue  # all is style: its beginning is its subject
            if not is_style[segment]:
                if not is_detail[segment] or segment == begin or sizes[row] - size < detail_ratio * size:
                    continue
            here = first + segment_starts[segment]
            there = first + segment_starts[segment + 1] if segment + 1 < end else last
            key = sets[row] - own
            one = part_of(key, parts) == part and maybe(bits, key)
            two = styles >= tags_for_two and is_style[segment]
            if not (one or two) or _tells(words, kinds, here, there, is_style[segment]):
                continue
            if one:
                pairs, count = push_matches(
                    words, borders, offsets, hashes, kinds, row, here, there, -1, -1, -1, -1, TAG, rows, keys, slots,
                    following, key, scratch, pairs, count,
                )  # fmt: skip
            for second in range(segment + 1, end if two else 0):
                key = sets[row] - own - segment_own[second]
                if not maybe(bits, key) or part_of(key, parts) != part or not is_style[second]:
                    continue
                if 0 < segment_own_sizes[second] < sizes[row] - size:
                    gap = first + segment_starts[second]
                    gap_end = first + segment_starts[second + 1] if second + 1 < end else last
                    if not _tells(words, kinds, gap, gap_end, True):
                        pairs, count = push_matches(
                            words, borders, offsets, hashes, kinds, row, here, there, gap, gap_end, -1, -1, TAG, rows,
                            keys, slots, following, key, scratch, pairs, count,
                        )  # fmt: skip
        if begin == end:
            continue
        # A phrase of style at the end that no comma parts from the rest.
        tails = _tails(words, kinds, hashes, first + segment_starts[end - 1], last, tail_sets, tail_places)
        for tail in range(tails):
            own = tail_sets[tail]
            key = sets[row] - own
            if (
                part_of(key, parts) == part
                and maybe(bits, key)
                and maybe(phrase_bits, own)
                and find(phrase_slots, phrases, own) >= 0
            ):
                pairs, count = push_matches(
                    words, borders, offsets, hashes, kinds, row, tail_places[tail], last, -1, -1, -1, -1, TAG, rows,
                    keys, slots, following, key, scratch, pairs, count,
                )  # fmt: skip
    return pairs[:count].copy()


@kernel()
def _tails(words, kinds, hashes, start, last, sets, places):
    """Sets and first places of the last words of a segment, as far as they may be a phrase; how many."""
    count, size, own, place = 0, 0, np.uint64(0), last
    while place > start and size < _LONGEST_PHRASE:
        place -= 1
        if kinds[words[place]] & FUNCTION:
            continue
        own += hashes[words[place]]
        size += 1
        # `castle at night`: what a preposition ties to the rest is no tag.
        if place > start and not kinds[words[place - 1]] & FUNCTION:
            sets[count], places[count] = own, place
            count += 1
    return count


@kernel()
def may_be_tagged_otherwise(words, offsets, hashes, kinds, segment_offsets, segment_starts, changed, phrases, rows):
    """[rows] whether `join_tagged` may find others for the first so many prompts where it goes by other segments of
    style, `changed` [S], or by other `phrases`."""
    bits = make_bits(phrases)
    slots, _ = make_table(phrases)
    sets, places = np.empty(_LONGEST_PHRASE, np.uint64), np.empty(_LONGEST_PHRASE, np.int64)
    found = np.zeros(rows, np.bool_)
    for row in range(rows):
        begin, end = segment_offsets[row], segment_offsets[row + 1]
        for segment in range(begin, end):
            found[row] |= changed[segment]
        if begin < end and not found[row]:
            start = offsets[row] + segment_starts[end - 1]
            for tail in range(_tails(words, kinds, hashes, start, offsets[row + 1], sets, places)):
                found[row] |= maybe(bits, sets[tail]) and find(slots, phrases, sets[tail]) >= 0
    return found


@kernel()
def _tells(words, kinds, start, end, style):
    """Whether a run of words says what may never be missing: a negation, colours or numbers.

    Of style they may be a part: `white background`, `8k`.
    """
    only = True
    for place in range(start, end):
        kind = kinds[words[place]]
        if kind & NEGATION or (not style and kind & (GUARDED | NUMERIC)):
            return True
        only = only and kind & (GUARDED | FUNCTION) != 0
    return only
