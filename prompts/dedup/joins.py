"""Pairs of prompts that mean the same, each found by looking up one exact key.

Legend: a *leader* is the first prompt of those with the same words of meaning in the same order; joins that leave
something out go over leaders only. Pairs are rows of an int32 array [E, 3]: prompt, other prompt, rule.
"""

import numpy as np

from prompts.dedup.language import FUNCTION, GUARDED, NEGATION, NUMERIC
from prompts.dedup.meaning import DIFFERENT, MOST_WORDS, SAME, SURE, is_slip, same_order
from prompts.dedup.tables import find, make_bits, make_table, maybe
from prompts.dedup.tokens import extend_hash
from prompts.kernels import kernel

FUNCTION_WORDS, WORD_ORDER, TYPO, JOINED, TAG = 1, 2, 3, 4, 5
RULES = {
    FUNCTION_WORDS: "function_words",
    WORD_ORDER: "word_order",
    TYPO: "typo",
    JOINED: "joined_word",
    TAG: "style_tag",
}
"""Why two prompts are one."""

_MOST_ALIKE = 32
"""Prompts with one set of words that others of the set are compared with."""
_LONGEST_CHAIN = 4096
"""Prompts looked at for one key of a misspelling."""
_MOST_SEGMENTS = 64
_LONGEST_PHRASE = 4


@kernel()
def _push(pairs, count, one, other, rule):
    if count == len(pairs):
        grown = np.empty((2 * len(pairs), 3), np.int32)
        grown[:count] = pairs
        pairs = grown
    pairs[count, 0], pairs[count, 1], pairs[count, 2] = one, other, rule
    return pairs, count + 1


@kernel()
def join_equal_sets(words, borders, offsets, hashes, kinds, sets, sizes, order):
    """Pairs with the same words of meaning, and which rows are leaders.

    Args:
        order: rows sorted by `sets`, stable.
    """
    pairs, count = np.empty((1024, 3), np.int32), 0
    leads = np.zeros(len(sets), np.bool_)
    scratch = np.empty((4, MOST_WORDS), np.int64)
    members = np.empty(_MOST_ALIKE, np.int32)
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and sets[order[end]] == sets[order[start]]:
            end += 1
        found = 0
        for place in range(start, end):
            row = order[place]
            alone = True
            for index in range(found if sizes[row] > 0 else 0):
                member = members[index]
                same = same_order(
                    words, borders, hashes, kinds, offsets[row], offsets[row + 1], offsets[member],
                    offsets[member + 1], -1, -1, -1, -1, scratch,
                )  # fmt: skip
                if same != DIFFERENT:
                    rule = FUNCTION_WORDS if same == SAME else WORD_ORDER
                    pairs, count = _push(pairs, count, row, member, rule)
                    alone = False
            leads[row] = alone
            if found < _MOST_ALIKE:
                members[found] = row
                found += 1
        start = end
    return pairs[:count].copy(), leads


@kernel()
def _ends(spellings, starts, word, side):
    """A hash of the first or the last byte; one slip leaves one of the two as it was."""
    place = starts[word] if side == 0 else starts[word + 1] - 1
    value = np.uint64(2 * spellings[place] + side + 1) * np.uint64(0x9E3779B97F4A7C15)
    return value ^ (value >> np.uint64(32))


@kernel()
def rare_words(words, offsets, kinds, counts, hashes, spellings, starts, sets, leaders, limit):
    """Where a misspelling may be: (keys, rows, words) of every rare word of every leader, twice, by its two ends."""
    total = 0
    for row in leaders:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            total += counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC)
    keys, rows, at = np.empty(2 * total, np.uint64), np.empty(2 * total, np.int32), np.empty(2 * total, np.int32)
    used = 0
    for row in leaders:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            if counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC):
                for side in range(2):
                    keys[used] = (sets[row] - hashes[word]) ^ _ends(spellings, starts, word, side)
                    rows[used] = row
                    at[used] = word
                    used += 1
    return keys, rows, at


@kernel()
def join_misspelt(
    words, borders, offsets, hashes, kinds, spellings, starts, counts, known, sets, sizes, leaders,
    keys, rows, at, limit, leader_keys,
):  # fmt: skip
    """Pairs that differ in one word which is a slip of the other's; and those of which only the neighbours can tell.

    Returns:
        Pairs, and an int32 array [D, 4] of doubtful ones: prompt and word, other prompt and word.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    full_slots, full_following = make_table(leader_keys)
    full_bits = make_bits(leader_keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    doubts, doubtful = np.empty((1024, 3), np.int32), 0
    spots, unused = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in leaders:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last):
            word = words[place]
            if kinds[word] & (FUNCTION | NUMERIC):
                continue
            rest = sets[row] - hashes[word]
            rare = counts[word] <= limit
            for side in range(2):
                key = rest ^ _ends(spellings, starts, word, side)
                if not maybe(bits, key):
                    continue
                entry, steps = find(slots, keys, key), 0
                while entry >= 0 and steps < _LONGEST_CHAIN:
                    other, misspelt = rows[entry], at[entry]
                    entry = following[entry]
                    steps += 1
                    if misspelt == word or other == row or (rare and other < row) or sizes[other] != sizes[row]:
                        continue
                    slip = is_slip(spellings, starts, kinds, counts, known, word, misspelt, sizes[row] - 1)
                    if slip == 0 or not same_order(
                        words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                        -1, -1, word, misspelt, scratch,
                    ):  # fmt: skip
                        continue
                    if slip == SURE:
                        pairs, count = _push(pairs, count, other, row, TYPO)
                    else:
                        doubts, doubtful = _push(doubts, doubtful, other, row, 0)
                        spots, unused = _push(spots, unused, misspelt, word, 0)
            if rare and maybe(full_bits, rest):
                # A misspelt function word, or one that the prompt has a second time.
                entry = find(full_slots, leader_keys, rest)
                while entry >= 0:
                    other = leaders[entry]
                    entry = full_following[entry]
                    for spot in range(offsets[other], offsets[other + 1]):
                        meant = words[spot]
                        slip = is_slip(spellings, starts, kinds, counts, known, word, meant, sizes[row] - 1)
                        if slip and same_order(
                            words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                            -1, -1, word, meant, scratch,
                        ):  # fmt: skip
                            if slip == SURE:
                                pairs, count = _push(pairs, count, row, other, TYPO)
                            else:
                                doubts, doubtful = _push(doubts, doubtful, row, other, 0)
                                spots, unused = _push(spots, unused, word, meant, 0)
                            break
    found = np.empty((doubtful, 4), np.int32)
    for index in range(doubtful):
        found[index, 0], found[index, 1] = doubts[index, 0], spots[index, 0]
        found[index, 2], found[index, 3] = doubts[index, 1], spots[index, 1]
    return pairs[:count].copy(), found


@kernel()
def judge_by_neighbours(words, offsets, hashes, kinds, counts, doubts):
    """Those doubtful pairs whose rarer word stands nowhere else beside its neighbours, where the other often does."""
    keys, used = np.empty(4 * len(doubts), np.uint64), 0
    for index in range(len(doubts)):
        for side in range(2):
            before, after = _neighbours(words, offsets, hashes, doubts[index, 2 * side], doubts[index, 2 * side + 1])
            keys[used], keys[used + 1] = before, after
            used += 2
    slots, _ = make_table(keys)
    bits = make_bits(keys)
    times = np.zeros(len(keys), np.int32)
    for row in range(len(offsets) - 1):
        for place in range(offsets[row], offsets[row + 1] - 1):
            key = _pair(hashes[words[place]], hashes[words[place + 1]])
            if maybe(bits, key):
                index = find(slots, keys, key)
                if index >= 0:
                    times[index] += 1
    pairs, count = np.empty((max(len(doubts), 1), 3), np.int32), 0
    for index in range(len(doubts)):
        seen = np.zeros((2, 2), np.int64)
        for side in range(2):
            for way in range(2):
                key = keys[4 * index + 2 * side + way]
                seen[side, way] = times[find(slots, keys, key)] if key else 0
        one, other = doubts[index, 1], doubts[index, 3]
        right = 1 if kinds[other] & FUNCTION or counts[other] > counts[one] else 0
        wrong = 1 - right
        if seen[wrong].max() <= 1 and seen[right].sum() >= 4:
            pairs, count = _push(pairs, count, doubts[index, 2 * wrong], doubts[index, 2 * right], TYPO)
    return pairs[:count].copy()


@kernel()
def _pair(one, other):
    key = (one ^ (one >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + other
    return key if key else np.uint64(1)


@kernel()
def _neighbours(words, offsets, hashes, row, word):
    """Keys of the word after the one before it, and before the one after it; 0 where there is none."""
    before, after = np.uint64(0), np.uint64(0)
    first, last = offsets[row], offsets[row + 1]
    for place in range(first, last):
        if words[place] == word:
            if place > first:
                before = _pair(hashes[words[place - 1]], hashes[word])
            if place + 1 < last:
                after = _pair(hashes[word], hashes[words[place + 1]])
            break
    return before, after


@kernel()
def join_joined(words, borders, offsets, hashes, states, kinds, spellings, starts, sets, leaders, leader_keys):
    """Pairs where one writes as one word what the other writes as two."""
    known_slots, _ = make_table(states)
    known_bits = make_bits(states)
    full_slots, full_following = make_table(leader_keys)
    full_bits = make_bits(leader_keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    for row in leaders:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last - 1):
            one, two = words[place], words[place + 1]
            if borders[place + 1] or (kinds[one] | kinds[two]) & (FUNCTION | NUMERIC | GUARDED):
                continue
            state = extend_hash(states[one], spellings, starts[two], starts[two + 1])
            if not maybe(known_bits, state):
                continue
            joined = find(known_slots, states, state)
            if joined < 0:
                continue
            key = sets[row] - hashes[one] - hashes[two] + hashes[joined]
            if not maybe(full_bits, key):
                continue
            entry = find(full_slots, leader_keys, key)
            while entry >= 0:
                other = leaders[entry]
                entry = full_following[entry]
                begin = offsets[other]
                if offsets[other + 1] - begin != last - first - 1 or words[begin + place - first] != joined:
                    continue
                equal = True
                for spot in range(first, last):
                    if spot < place:
                        equal = equal and words[spot] == words[begin + spot - first]
                    elif spot > place + 1:
                        equal = equal and words[spot] == words[begin + spot - first - 1]
                if equal:
                    pairs, count = _push(pairs, count, row, other, JOINED)
    return pairs[:count].copy()


@kernel()
def join_tagged(
    words, borders, offsets, hashes, kinds, sets, sizes, segment_offsets, segment_own, segment_own_sizes,
    segment_starts, is_style, phrases, leaders, leader_keys, detail_ratio, tags_for_two,
):  # fmt: skip
    """Pairs (longer, shorter) where one has a tag that the other lacks: of style, or a detail small beside the rest.

    Args:
        detail_ratio: words of meaning left for each in a detail that is no style.
        tags_for_two: tags of style in a prompt from which on two may be missing.
    """
    slots, following = make_table(leader_keys)
    bits = make_bits(leader_keys)
    phrase_bits = make_bits(phrases)
    phrase_slots, _ = make_table(phrases)
    pairs, count = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in leaders:
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
            here = first + segment_starts[segment]
            there = first + segment_starts[segment + 1] if segment + 1 < end else last
            if not is_style[segment] and (
                segment == begin
                or _has_kind(words, kinds, here, there, NEGATION)
                or (sizes[row] - size)
                < detail_ratio * size * (2 if _has_kind(words, kinds, here, there, GUARDED | NUMERIC) else 1)
            ):
                continue
            key = sets[row] - own
            if maybe(bits, key):
                pairs, count = _shorter(
                    words, borders, offsets, hashes, kinds, row, here, there, leaders, leader_keys, slots,
                    following, key, scratch, pairs, count,
                )  # fmt: skip
            if styles < tags_for_two or not is_style[segment]:
                continue
            for second in range(segment + 1, end):
                if is_style[second] and 0 < segment_own_sizes[second] < sizes[row] - size:
                    key = sets[row] - own - segment_own[second]
                    if maybe(bits, key):
                        entry = find(slots, leader_keys, key)
                        if entry >= 0:
                            pairs, count = _push(pairs, count, row, leaders[entry], TAG)
        if begin == end:
            continue
        # A phrase of style at the end that no comma parts from the rest.
        own, size, place = np.uint64(0), 0, last
        start = first + segment_starts[end - 1]
        while place > start and size < _LONGEST_PHRASE:
            place -= 1
            if kinds[words[place]] & FUNCTION:
                continue
            own += hashes[words[place]]
            size += 1
            # `castle at night`: what a preposition ties to the rest is no tag.
            if place == start or kinds[words[place - 1]] & FUNCTION:
                continue
            if maybe(phrase_bits, own) and find(phrase_slots, phrases, own) >= 0:
                key = sets[row] - own
                if maybe(bits, key):
                    pairs, count = _shorter(
                        words, borders, offsets, hashes, kinds, row, place, last, leaders, leader_keys, slots,
                        following, key, scratch, pairs, count,
                    )  # fmt: skip
    return pairs[:count].copy()


@kernel()
def _shorter(
    words, borders, offsets, hashes, kinds, row, skip, skip_end, leaders, leader_keys, slots, following, key, scratch,
    pairs, count,
):  # fmt: skip
    entry = find(slots, leader_keys, key)
    while entry >= 0:
        other = leaders[entry]
        entry = following[entry]
        if other != row and same_order(
            words, borders, hashes, kinds, offsets[row], offsets[row + 1], offsets[other], offsets[other + 1],
            skip, skip_end, -1, -1, scratch,
        ):  # fmt: skip
            pairs, count = _push(pairs, count, row, other, TAG)
    return pairs, count


@kernel()
def _has_kind(words, kinds, start, end, kind):
    for place in range(start, end):
        if kinds[words[place]] & kind:
            return True
    return False
