"""Pairs that differ in the spelling of one word, and doubtful ones that neighbours decide.

Left out of both prompts, the word leaves equal sets. Only rare words are looked for, which misspelt ones are, and each
by its beginning and its end, of which one slip spares one.
"""

import numpy as np

from prompts.dedup.language import FUNCTION, NUMERIC
from prompts.dedup.meaning import MOST_WORDS, SURE, is_slip, may_be_slip, same_order
from prompts.dedup.pairs import TYPO, WORD_ORDER, push
from prompts.dedup.tables import find, make_bits, make_table, maybe, part_of
from prompts.dedup.tokens import extend_hash
from prompts.kernels import kernel

_ENDS = ((3, 6, 1), (5, 8, 2), (7, 16, 3), (15, 1 << 30, 7))
"""Bytes of a word, at least and at most, and of its beginning and end: a slip, of two bytes at most, touches only one
of these."""
EITHER, FIRST = 0, 1
"""Which word of a candidate has to be rare. A candidate is a row of an int32 array [C, 5]: prompt and word, other
prompt and word, and this. More prompts do not change it; how rare words are they do, and that is judged later."""
_OFTEN = 4
"""Times that neighbours stand side by side for it to be no chance."""
_LONGEST_CHAIN = 4096
"""Prompts looked at for one key."""


@kernel()
def word_ends(spellings, starts, also):
    """Hashes of the beginning and the end of each word, and [W + 1] where those of each word begin: one slip leaves one
    of the two as it was.

    Of more bytes the longer a word is, as many words begin with the same one. Two words that a slip parts have both
    ends of one size: those of about the border's length have the ends of both sizes. A word that has another spelling
    has the ends of both.
    """
    ends, bounds = np.empty(4 * (len(starts) - 1), np.uint64), np.zeros(len(starts), np.int64)
    count = 0
    for word in range(len(starts) - 1):
        for spelling in (word, np.int64(also[word])):
            if spelling < 0:
                continue
            first, last = starts[spelling], starts[spelling + 1]
            for shortest, longest, size in _ENDS:
                if shortest <= last - first <= longest and not _is_foreign(spellings, first, last):
                    for side in range(2):
                        place = last - size if side else first
                        value = extend_hash(np.uint64(2 * size + side), spellings, place, place + size)
                        value = (value ^ (value >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
                        value ^= value >> np.uint64(32)
                        if count == len(ends):
                            ends = np.concatenate((ends, np.empty_like(ends)))
                        ends[count] = value
                        count += not (ends[bounds[word] : count] == value).any()
        bounds[word + 1] = count
    return ends[:count].copy(), bounds


@kernel()
def word_letters(spellings, starts, also):
    """[W] which bytes each word has, a bit for each, some bytes share one; 0 of words that have another spelling."""
    letters = np.zeros(len(starts) - 1, np.uint64)
    for word in range(len(letters)):
        for place in range(starts[word], starts[word + 1] if also[word] < 0 else 0):
            letters[word] |= np.uint64(1) << np.uint64(spellings[place] & 63)
    return letters


@kernel()
def _unlike(one, other):
    """Whether two words of such letters are surely no slips of each other: more than four bits differ."""
    rest = one ^ other
    for _ in range(4):
        rest &= rest - np.uint64(1)
    return rest != 0 and one != 0 and other != 0


@kernel()
def _is_foreign(spellings, first, last):
    """Whether it has characters of scripts in which nothing counts as a slip."""
    for place in range(first, last):
        if spellings[place] >= 0xE0:
            return True
    return False


@kernel()
def rare_words(words, offsets, kinds, counts, hashes, ends, end_bounds, sets, rows, limit, part, parts):
    """Where a misspelling may be: (keys, rows, words) of every rare word of every leader, by each of its `word_ends`.

    In a part are those whose other words are in it.

    Args:
        rows: leaders, in the order of what is returned.
    """
    total = 0
    for row in rows:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            if counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC):
                if part_of(sets[row] - hashes[word], parts) == part:
                    total += end_bounds[word + 1] - end_bounds[word]
    keys, found, at = np.empty(total, np.uint64), np.empty(total, np.int32), np.empty(total, np.int32)
    used = 0
    for row in rows:
        for place in range(offsets[row], offsets[row + 1]):
            word = words[place]
            if counts[word] <= limit and not kinds[word] & (FUNCTION | NUMERIC):
                rest = sets[row] - hashes[word]
                if part_of(rest, parts) == part:
                    for end in ends[end_bounds[word] : end_bounds[word + 1]]:
                        keys[used], found[used], at[used] = rest ^ end, row, word
                        used += 1
    return keys, found, at


@kernel()
def join_misspelt(
    words, borders, offsets, hashes, kinds, spellings, starts, also, ends, end_bounds, letters, counts, known, sets,
    sizes, seekers, keys, rows, at, limit, part, parts,
):  # fmt: skip
    """Pairs that differ in one word which may be a slip of the other's.

    Args:
        seekers: whose words are looked for.
        keys, rows, at: `rare_words` of one part.

    Returns:
        Candidates for `judge_misspelt`, and whether all were looked at: where too many have one key, only the first
        are.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    found, count = np.empty((1024, 5), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    all_seen = True
    for row in seekers:
        first, last = offsets[row], offsets[row + 1]
        for place in range(first, last):
            word = words[place]
            if kinds[word] & (FUNCTION | NUMERIC):
                continue
            rest = sets[row] - hashes[word]
            if part_of(rest, parts) != part:
                continue
            rare = counts[word] <= limit
            for end in range(end_bounds[word], end_bounds[word + 1]):
                key = rest ^ ends[end]
                if not maybe(bits, key):
                    continue
                entry, steps = find(slots, keys, key), 0
                while entry >= 0 and steps < _LONGEST_CHAIN:
                    other, misspelt = rows[entry], at[entry]
                    entry = following[entry]
                    steps += 1
                    if misspelt == word or _unlike(letters[word], letters[misspelt]):
                        continue
                    if other == row or sizes[other] != sizes[row]:
                        continue
                    if rare and sets[other] < sets[row]:
                        continue  # each finds the other: once is enough
                    if may_be_slip(
                        spellings, starts, also, kinds, known, word, misspelt, sizes[row] - 1
                    ) and not _met(ends, end_bounds, word, end, misspelt) and same_order(
                        words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                        -1, -1, -1, -1, place, misspelt, scratch,
                    ):  # fmt: skip
                        found, count = _note(found, count, other, misspelt, row, word, EITHER)
                all_seen = all_seen and entry < 0
    return found[:count].copy(), all_seen


@kernel()
def _met(ends, end_bounds, word, end, other):
    """Whether two words have an end in common that comes before this one of the first."""
    for before in range(end_bounds[word], end):
        for their in range(end_bounds[other], end_bounds[other + 1]):
            if ends[before] == ends[their]:
                return True
    return False


@kernel()
def join_misspelt_again(
    words, borders, offsets, hashes, kinds, spellings, starts, also, counts, known, sets, sizes, seekers, limit, rows,
    keys, part, parts,
):  # fmt: skip
    """As `join_misspelt`, of a word that may be a slip of a function word, or of one that the prompt has a second time.

    Args:
        rows, keys: leaders of one part.
    """
    slots, following = make_table(keys)
    bits = make_bits(keys)
    found, count = np.empty((1024, 5), np.int32), 0
    scratch = np.empty((4, MOST_WORDS), np.int64)
    for row in seekers:
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
                    if may_be_slip(spellings, starts, also, kinds, known, word, meant, sizes[row] - 1) and same_order(
                        words, borders, hashes, kinds, first, last, offsets[other], offsets[other + 1],
                        -1, -1, -1, -1, place, meant, scratch,
                    ):  # fmt: skip
                        found, count = _note(found, count, row, word, other, meant, FIRST)
    return found[:count].copy()


@kernel()
def _note(found, count, one, word, other, meant, which):
    if count == len(found):
        grown = np.empty((2 * count, 5), np.int32)
        grown[:count] = found
        found = grown
    found[count, 0], found[count, 1], found[count, 2], found[count, 3] = one, word, other, meant
    found[count, 4] = which
    return found, count + 1


@kernel()
def judge_misspelt(candidates, spellings, starts, kinds, counts, known, sizes, limit):
    """Those candidates that are slips; and doubtful ones, of which only the neighbours can tell, [D, 4] as they are."""
    pairs, count = np.empty((1024, 3), np.int32), 0
    doubts, doubtful = np.empty((len(candidates), 4), np.int32), 0
    for index in range(len(candidates)):
        one, word, other, meant, which = candidates[index]
        if counts[word] > limit and (which == FIRST or counts[meant] > limit):
            continue
        slip = is_slip(spellings, starts, kinds, counts, known, meant, word, sizes[one] - 1)
        if slip == SURE:
            pairs, count = push(pairs, count, one, other, TYPO)
        elif slip:
            doubts[doubtful] = candidates[index, :4]
            doubtful += 1
    return pairs[:count].copy(), doubts[:doubtful].copy()


@kernel()
def _again(words, first, place):
    """Whether a word stood before."""
    for spot in range(first, place):
        if words[spot] == words[place]:
            return True
    return False


@kernel()
def judge_by_neighbours(words, offsets, hashes, kinds, counts, doubts, exchanged):
    """Those doubtful pairs of which one says what nobody else says, where what the other says is usual.

    Args:
        doubts: [D, 4] of `judge_misspelt`; the rarer word stands nowhere else beside its neighbours, where the other
            often does.
        exchanged: [X, 4] of `joins.exchanged_in_style`; one has words of meaning side by side that nobody else has.
    """
    keys = np.concatenate(
        (
            _beside_word(words, offsets, hashes, doubts).reshape(-1),
            _beside_exchanged(words, offsets, hashes, kinds, exchanged).reshape(-1),
        )
    )
    seen = _times(words, offsets, hashes, keys)
    parted = 4 * len(doubts)
    misspelt = _unusual_words(kinds, counts, doubts, seen[:parted].reshape(len(doubts), 2, 2))
    there = keys[parted:].reshape(len(exchanged), 2, 4) != 0
    return np.concatenate((misspelt, _unusual_orders(exchanged, seen[parted:].reshape(len(exchanged), 2, 4), there)))


@kernel()
def _beside_word(words, offsets, hashes, doubts):
    """[D, 2, 2] each doubtful word with the one before and the one after, 0 for none."""
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
    return keys


@kernel()
def _beside_exchanged(words, offsets, hashes, kinds, exchanged):
    """[X, 2, 4] each exchanged word with the words of meaning beside it, 0 for none."""
    keys = np.zeros((len(exchanged), 2, 4), np.uint64)
    for index in range(len(exchanged)):
        for side in range(2):
            first, last = offsets[exchanged[index, side]], offsets[exchanged[index, side] + 1]
            for which in range(2):
                place = first + exchanged[index, 2 + which]
                for step in range(2):
                    left = place - 1 + step
                    if (
                        left >= first
                        and left + 1 < last
                        and not (kinds[words[left]] | kinds[words[left + 1]]) & FUNCTION
                    ):
                        keys[index, side, 2 * which + step] = _pair(hashes[words[left]], hashes[words[left + 1]])
    return keys


@kernel()
def _unusual_words(kinds, counts, doubts, seen):
    pairs, count = np.empty((max(len(doubts), 1), 3), np.int32), 0
    for index in range(len(doubts)):
        one, other = doubts[index, 1], doubts[index, 3]
        right = 1 if kinds[other] & FUNCTION or counts[other] > counts[one] else 0
        wrong = 1 - right
        if seen[index, wrong].max() <= 1 and seen[index, right].sum() >= _OFTEN:
            pairs, count = push(pairs, count, doubts[index, 2 * wrong], doubts[index, 2 * right], TYPO)
    return pairs[:count].copy()


@kernel()
def _unusual_orders(exchanged, seen, there):
    pairs, count = np.empty((max(len(exchanged), 1), 3), np.int32), 0
    for index in range(len(exchanged)):
        for wrong in range(2):
            strange, usual, rarest = seen[index, wrong].max(), 0, _OFTEN
            for spot in range(4):
                if there[index, 1 - wrong, spot]:
                    usual += seen[index, 1 - wrong, spot]
                    rarest = min(rarest, seen[index, 1 - wrong, spot])
            # Far from each other words are exchanged on purpose rather than by a slip.
            near = exchanged[index, 3] == exchanged[index, 2] + 1
            if strange == 1 and usual >= _OFTEN and (near or rarest >= _OFTEN):
                pairs, count = push(pairs, count, exchanged[index, wrong], exchanged[index, 1 - wrong], WORD_ORDER)
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
