"""Pairs that differ in the spelling of one word, and doubtful ones that neighbours decide.

Left out of both prompts, the word leaves equal sets. Only rare words are looked for, which misspelt ones are, and each
by its beginning and its end, of which one slip spares one.
"""

import numpy as np

from prompts.dedup.language import FUNCTION, NUMERIC
from prompts.dedup.meaning import MOST_WORDS, SURE, is_slip, same_order
from prompts.dedup.pairs import TYPO, WORD_ORDER, push
from prompts.dedup.tables import find, make_bits, make_table, maybe, part_of
from prompts.dedup.tokens import extend_hash
from prompts.kernels import kernel

_ENDS = ((3, 6, 1), (5, 8, 2), (7, 16, 3), (15, 1 << 30, 7))
"""Bytes of a word, at least and at most, and of its beginning and end: a slip, of two bytes at most, touches only one
of these."""
_OFTEN = 4
"""Times that neighbours stand side by side for it to be no chance."""
_LONGEST_CHAIN = 4096
"""Prompts looked at for one key."""


@kernel()
def word_ends(spellings, starts):
    """[W, 4] hashes of the beginning and the end of each word, 0 for none: one slip leaves one of the two as it was.

    Of more bytes the longer a word is, as many words begin with the same one. Two words that a slip parts have both
    ends of one size: those of about the border's length have the ends of both sizes.
    """
    ends = np.zeros((len(starts) - 1, 4), np.uint64)
    for word in range(len(ends)):
        first, last = starts[word], starts[word + 1]
        side = 0
        for shortest, longest, size in _ENDS:
            if shortest <= last - first <= longest and not _is_foreign(spellings, first, last):
                for place in (first, last - size):
                    value = extend_hash(np.uint64(2 * size + side % 2), spellings, place, place + size)
                    value = (value ^ (value >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
                    ends[word, side] = value ^ (value >> np.uint64(32)) | np.uint64(1)
                    side += 1
    return ends


@kernel()
def _is_foreign(spellings, first, last):
    """Whether it has characters of scripts in which nothing counts as a slip."""
    for place in range(first, last):
        if spellings[place] >= 0xE0:
            return True
    return False


@kernel()
def rare_words(words, offsets, kinds, counts, hashes, ends, sets, leaders, limit, part, parts):
    """Where a misspelling may be: (keys, rows, words) of every rare word of every leader, by each of its `word_ends`.

    In a part are those whose other words are in it.

    Args:
        leaders: in the order of what is returned.
    """
    total = 0
    for row in leaders:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            if counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC):
                total += part_of(sets[row] - hashes[word], parts) == part
    # Of each at most four ends.
    keys, rows, at = np.empty(4 * total, np.uint64), np.empty(4 * total, np.int32), np.empty(4 * total, np.int32)
    used = 0
    for row in leaders:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            if counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC):
                rest = sets[row] - hashes[word]
                if part_of(rest, parts) != part:
                    continue
                for side in range(4):
                    if ends[word, side]:
                        keys[used], rows[used], at[used] = rest ^ ends[word, side], row, word
                        used += 1
    return keys[:used].copy(), rows[:used].copy(), at[:used].copy()


@kernel()
def join_misspelt(
    words, borders, offsets, hashes, kinds, spellings, starts, ends, counts, known, sets, sizes, leaders,
    keys, rows, at, limit, part, parts,
):  # fmt: skip
    """Pairs that differ in one word which is a slip of the other's; and those of which only the neighbours can tell.

    Args:
        keys, rows, at: `rare_words` of one part.

    Returns:
        Pairs; an int32 array [D, 4] of doubtful ones: prompt and word, other prompt and word; and whether all were
        looked at: where too many have one key, only the first are.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    doubts, doubtful = np.empty((1024, 3), np.int32), 0
    spots, unused = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    all_seen = True
    for row in leaders:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last):
            word = words[place]
            if kinds[word] & (FUNCTION | NUMERIC):
                continue
            rest = sets[row] - hashes[word]
            if part_of(rest, parts) != part:
                continue
            rare = counts[word] <= limit
            for side in range(4):
                key = rest ^ ends[word, side]
                if not ends[word, side] or not maybe(bits, key):
                    continue
                entry, steps = find(slots, keys, key), 0
                while entry >= 0 and steps < _LONGEST_CHAIN:
                    other, misspelt = rows[entry], at[entry]
                    entry = following[entry]
                    steps += 1
                    if misspelt == word or other == row or sizes[other] != sizes[row]:
                        continue
                    if rare and sets[other] < sets[row]:
                        continue  # each finds the other: once is enough
                    slip = is_slip(spellings, starts, kinds, counts, known, word, misspelt, sizes[row] - 1)
                    if slip == 0 or not same_order(
                        words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                        -1, -1, -1, -1, place, misspelt, scratch,
                    ):  # fmt: skip
                        continue
                    if slip == SURE:
                        pairs, count = push(pairs, count, other, row, TYPO)
                    else:
                        doubts, doubtful = push(doubts, doubtful, other, row, 0)
                        spots, unused = push(spots, unused, misspelt, word, 0)
                all_seen = all_seen and entry < 0
    return pairs[:count].copy(), _with_words(doubts[:doubtful], spots), all_seen


@kernel()
def join_misspelt_again(
    words, borders, offsets, hashes, kinds, spellings, starts, counts, known, sets, sizes, leaders, limit, rows, keys,
    part, parts,
):  # fmt: skip
    """As `join_misspelt`, of a word that is a slip of a function word, or of one that the prompt has a second time.

    Args:
        rows, keys: leaders of one part.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    pairs, count = np.empty((1024, 3), np.int32), 0
    doubts, doubtful = np.empty((1024, 3), np.int32), 0
    spots, unused = np.empty((1024, 3), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in leaders:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last):
            word = words[place]
            if counts[word] > limit or kinds[word] & (FUNCTION | NUMERIC):
                continue
            rest = sets[row] - hashes[word]
            if part_of(rest, parts) != part or not maybe(bits, rest):
                continue
            entry = find(slots, keys, rest)
            while entry >= 0:
                other = rows[entry]
                entry = following[entry]
                for spot in range(offsets[other], offsets[other + 1]):
                    meant = words[spot]
                    if not kinds[meant] & FUNCTION and not _again(words, offsets[other], spot):
                        continue
                    slip = is_slip(spellings, starts, kinds, counts, known, word, meant, sizes[row] - 1)
                    if slip and same_order(
                        words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                        -1, -1, -1, -1, place, meant, scratch,
                    ):  # fmt: skip
                        if slip == SURE:
                            pairs, count = push(pairs, count, row, other, TYPO)
                        else:
                            doubts, doubtful = push(doubts, doubtful, row, other, 0)
                            spots, unused = push(spots, unused, word, meant, 0)
                        break
    return pairs[:count].copy(), _with_words(doubts[:doubtful], spots)


@kernel()
def _with_words(doubts, spots):
    """[D, 4] prompt and word, other prompt and word."""
    found = np.empty((len(doubts), 4), np.int32)
    for index in range(len(doubts)):
        found[index, 0], found[index, 1] = doubts[index, 0], spots[index, 0]
        found[index, 2], found[index, 3] = doubts[index, 1], spots[index, 1]
    return found


@kernel()
def _again(words, first, place):
    """Whether a word stood before."""
    for spot in range(first, place):
        if words[spot] == words[place]:
            return True
    return False


@kernel()
def judge_by_neighbours(words, offsets, hashes, kinds, counts, doubts):
    """Those doubtful pairs whose rarer word stands nowhere else beside its neighbours, where the other often does."""
    keys = np.zeros((len(doubts), 2, 2), np.uint64)
    for index in range(len(doubts)):
        for side in range(2):
            row = doubts[index, 2 * side]
            for place in range(offsets[row], offsets[row + 1]):
                if words[place] == doubts[index, 2 * side + 1]:
                    if place > offsets[row]:
                        keys[index, side, 0] = _pair(hashes[words[place - 1]], hashes[words[place]])
                    if place + 1 < offsets[row + 1]:
                        keys[index, side, 1] = _pair(hashes[words[place]], hashes[words[place + 1]])
                    break
    seen = _times(words, offsets, hashes, keys.reshape(-1)).reshape(len(doubts), 2, 2)
    pairs, count = np.empty((max(len(doubts), 1), 3), np.int32), 0
    for index in range(len(doubts)):
        one, other = doubts[index, 1], doubts[index, 3]
        right = 1 if kinds[other] & FUNCTION or counts[other] > counts[one] else 0
        wrong = 1 - right
        if seen[index, wrong].max() <= 1 and seen[index, right].sum() >= _OFTEN:
            pairs, count = push(pairs, count, doubts[index, 2 * wrong], doubts[index, 2 * right], TYPO)
    return pairs[:count].copy()


@kernel()
def judge_exchanged(words, offsets, hashes, kinds, doubts):
    """Those pairs with two words exchanged of which one has words of meaning side by side that nobody else has.

    `a rusty green bell beside a fox` is the slip `a rusty fox beside a green bell` of nobody: both stand elsewhere.
    """
    keys = np.zeros((len(doubts), 2, 4), np.uint64)
    for index in range(len(doubts)):
        for side in range(2):
            first, last = offsets[doubts[index, side]], offsets[doubts[index, side] + 1]
            for which in range(2):
                place = first + doubts[index, 2 + which]
                for step in range(2):
                    left = place - 1 + step
                    if (
                        left >= first
                        and left + 1 < last
                        and not (kinds[words[left]] | kinds[words[left + 1]]) & FUNCTION
                    ):
                        keys[index, side, 2 * which + step] = _pair(hashes[words[left]], hashes[words[left + 1]])
    seen = _times(words, offsets, hashes, keys.reshape(-1)).reshape(len(doubts), 2, 4)
    pairs, count = np.empty((max(len(doubts), 1), 3), np.int32), 0
    for index in range(len(doubts)):
        for wrong in range(2):
            strange, usual, rarest = seen[index, wrong].max(), 0, _OFTEN
            for spot in range(4):
                if keys[index, 1 - wrong, spot]:
                    usual += seen[index, 1 - wrong, spot]
                    rarest = min(rarest, seen[index, 1 - wrong, spot])
            # Far from each other words are exchanged on purpose rather than by a slip.
            near = doubts[index, 3] == doubts[index, 2] + 1
            if strange == 1 and usual >= _OFTEN and (near or rarest >= _OFTEN):
                pairs, count = push(pairs, count, doubts[index, wrong], doubts[index, 1 - wrong], WORD_ORDER)
                break
    return pairs[:count].copy()


@kernel()
def _times(words, offsets, hashes, keys):
    """How often the two words of each key stand side by side in all prompts; 0 for the key 0."""
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
    found = np.zeros(len(keys), np.int32)
    for index in range(len(keys)):
        if keys[index]:
            found[index] = times[find(slots, keys, keys[index])]
    return found


@kernel()
def _pair(one, other):
    key = (one ^ (one >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + other
    return key if key else np.uint64(1)
