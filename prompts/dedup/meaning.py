"""What may differ between two prompts that mean the same: the guard every pair has to pass.

Legend: all functions look at words `words[first:last]` of a prompt in a `Tokens`.
"""

import numpy as np

from prompts.dedup.known import USUAL
from prompts.dedup.language import ARTICLE, CONJUNCTION_WORD, FUNCTION, GUARDED, NUMERIC
from prompts.kernels import kernel

DIFFERENT, SAME, MOVED = 0, 1, 2
"""Results of `same_order`; SAME is that of the words of meaning."""
SURE, DOUBTFUL = 1, 2
"""Results of `is_slip`."""
_FEW = 4
"""Prompts that may have one and the same slip by chance."""
_RARER, _FAR_RARER = 8, 64
"""How much rarer than a word its slips are; and where more prompts have them, or where they are words themselves."""
_MOST_BYTES = 2
"""Of a letter that is more, less or other, where letters may be longer than a byte."""
_RHYME = 5
"""Letters, at most, of words that are told apart by their first one."""
MOST_WORDS = 512
"""Longer prompts are not compared."""


@kernel()
def may_be_slip(spellings, starts, also, kinds, known, one, other, context):
    """Whether `one` may be a misspelling of `other`, or the other way round, whatever the prompts: one letter more,
    less or other, or two exchanged. A plural is no slip, and neither is anything with a digit.

    Args:
        also: [W] other spellings of the same words, of which it may be a slip, too.
        known: [W] `known.known_words`.
        context: how many other words of meaning the two prompts share.
    """
    if (kinds[one] | kinds[other]) & NUMERIC or kinds[one] & kinds[other] & (GUARDED | FUNCTION):
        return False
    if known[one] and known[other] and context < 2:
        return False
    if known[one] == USUAL and known[other] == USUAL and not (kinds[one] | kinds[other]) & FUNCTION:
        return False
    if _near(spellings, starts, one, other):
        return True
    return (also[one] >= 0 and _near(spellings, starts, also[one], other)) or (
        also[other] >= 0 and _near(spellings, starts, one, also[other])
    )


@kernel()
def _near(spellings, starts, one, other):
    a, b = starts[one], starts[other]
    n, m = starts[one + 1] - a, starts[other + 1] - b
    if n > m:
        a, b, n, m = b, a, m, n
    if m - n > _MOST_BYTES or m < 4 or n < 3:
        return False
    foreign = False
    for place in range(b, b + m):
        foreign = foreign or spellings[place] >= 128
        if spellings[place] >= 0xE0:
            return False  # of Han, Hangul and the like one character may be a word
    allowed = _MOST_BYTES if foreign else 1
    if m - n > allowed:
        return False
    if m == n + 1 and spellings[b + m - 1] == 115 and _equal(spellings, a, b, n):
        return False  # a plural
    if not _within(spellings, a, n, b, m, allowed):
        return False
    # man, men
    return not (
        n == m
        and spellings[a + n - 1] == 110
        and spellings[b + n - 1] == 110
        and spellings[a + n - 3] == 109
        and spellings[b + n - 3] == 109
        and spellings[a + n - 2] != spellings[b + n - 2]
    )


@kernel()
def is_slip(spellings, starts, kinds, counts, known, one, other, context):
    """Whether two words of which one may be a misspelling, `may_be_slip`, are that: `SURE`, `DOUBTFUL` or 0.

    Only one of the two is a word that people use: it is known, or much more frequent. Of two known words the much rarer
    one may still be a slip, which their neighbours must tell.

    Args:
        counts: [W] prompts that hold the word.
        known, context: as there.
    """
    a, b = starts[one], starts[other]
    n, m = starts[one + 1] - a, starts[other + 1] - b
    if n > m:
        one, other, a, b, n, m = other, one, b, a, m, n
    right, wrong = one, other
    if (known[one] > 0) != (known[other] > 0):
        swap = known[other] > 0
    else:
        swap = kinds[other] & FUNCTION != 0 or (not kinds[one] & FUNCTION and counts[other] > counts[one])
    if swap:
        right, wrong = other, one
    rarer = _RARER if counts[wrong] <= _FEW else _FAR_RARER
    common = kinds[right] & FUNCTION != 0 or counts[right] >= rarer * counts[wrong]
    # Of short words that differ in their first letter both may well be words: a hake, a cake.
    exchanged = spellings[a] == spellings[b + 1] and spellings[a + 1] == spellings[b]
    rhymes = m <= _RHYME and spellings[a] != spellings[b] and not exchanged and not kinds[right] & FUNCTION
    if rhymes or (known[right] and known[wrong]):
        return DOUBTFUL if common and context >= 2 and counts[right] >= _FAR_RARER * counts[wrong] else 0
    if known[right]:
        return SURE if common or counts[wrong] <= 2 else 0
    return SURE if common or (counts[wrong] <= 2 and context >= 3 and m >= 5) else 0


@kernel()
def _equal(spellings, a, b, length):
    for place in range(length):
        if spellings[a + place] != spellings[b + place]:
            return False
    return True


@kernel()
def _within(spellings, a, n, b, m, allowed):
    """Whether at most `allowed` bytes are more, less or other, or one pair is exchanged; n <= m."""
    head = 0
    while head < n and spellings[a + head] == spellings[b + head]:
        head += 1
    tail = 0
    while tail < n - head and spellings[a + n - 1 - tail] == spellings[b + m - 1 - tail]:
        tail += 1
    left, right = n - head - tail, m - head - tail
    if right <= allowed:
        return True
    return (
        left == 2
        and right == 2
        and spellings[a + head] == spellings[b + head + 1]
        and spellings[a + head + 1] == spellings[b + head]
    )


@kernel()
def same_order(words, borders, hashes, kinds, a, a_end, b, b_end, skip, skip_end, gap, gap_end, at, new, scratch):
    """Whether two prompts of equal words of meaning say them in an order that means the same: `SAME`, `MOVED` or 0.

    Either the words of meaning come in the same order; or whole parts (between commas, brackets and `and`) change
    places; or one run of words moves past another. `a cat on a dog` is none of these for `a dog on a cat`, and neither
    is exchanging two attributes. Function words may be dropped, but not exchanged for others.

    Args:
        a, a_end, b, b_end: the two prompts.
        skip, skip_end, gap, gap_end: two runs of words of the first that are left out; -1 for none.
        at, new: the word at place `at` of the first counts as `new`; -1 for none.
        scratch: int64 array [4, at least `MOST_WORDS`].
    """
    if a_end - a > MOST_WORDS or b_end - b > MOST_WORDS:
        return DIFFERENT
    n, content_a = _sequence(words, kinds, a, a_end, skip, skip_end, gap, gap_end, at, new, scratch[0])
    m, content_b = _sequence(words, kinds, b, b_end, -1, -1, -1, -1, -1, -1, scratch[1])
    if not _functions_agree(kinds, scratch[0], n, scratch[1], m):
        return DIFFERENT
    # Words of meaning alone, in order; repeated ones may differ.
    if content_a == content_b:
        i, j, equal = 0, 0, True
        while True:
            while i < n and kinds[scratch[0, i]] & FUNCTION:
                i += 1
            while j < m and kinds[scratch[1, j]] & FUNCTION:
                j += 1
            if i == n or j == m:
                break
            if scratch[0, i] != scratch[1, j]:
                equal = False
                break
            i += 1
            j += 1
        if equal:
            return SAME
    if n == m and _moved(scratch[0], scratch[1], n, kinds):
        return MOVED
    parts = _same_parts(
        words, borders, hashes, kinds, a, a_end, b, b_end, skip, skip_end, gap, gap_end, at, new, scratch[2], scratch[3]
    )
    return MOVED if parts else DIFFERENT


@kernel()
def _sequence(words, kinds, first, last, skip, skip_end, gap, gap_end, at, new, out):
    """All words but articles; how many, and how many of them carry meaning."""
    count, content = 0, 0
    for place in range(first, last):
        if skip <= place < skip_end or gap <= place < gap_end:
            continue
        word = words[place]
        if kinds[word] & ARTICLE:
            continue
        if place == at:
            word = new
        out[count] = word
        count += 1
        content += not kinds[word] & FUNCTION
    return count, content


@kernel()
def functions_agree(words, kinds, a, a_end, b, b_end, scratch):
    """Whether one of two prompts has all small words of the other: `in` is not `on`, and `as` is not `and`."""
    n, _ = _sequence(words, kinds, a, a_end, -1, -1, -1, -1, -1, -1, scratch[0])
    m, _ = _sequence(words, kinds, b, b_end, -1, -1, -1, -1, -1, -1, scratch[1])
    return _functions_agree(kinds, scratch[0], n, scratch[1], m)


@kernel()
def _functions_agree(kinds, one, n, other, m):
    more, more_and = _functions_more(kinds, one, n, other, m)
    less, less_and = _functions_more(kinds, other, m, one, n)
    return not (more and (less or less_and)) and not (less and more_and)


@kernel()
def _functions_more(kinds, one, n, other, m):
    """Whether a prompt has function words more often than another has them; and whether it has `and` more often."""
    more, more_and = False, False
    for i in range(n):
        if kinds[one[i]] & FUNCTION:
            times = 0
            for j in range(i + 1):
                times += one[j] == one[i]
            for j in range(m):
                times -= other[j] == one[i]
            if kinds[one[i]] & CONJUNCTION_WORD:
                more_and = more_and or times > 0
            else:
                more = more or times > 0
    return more, more_and


@kernel()
def _moved(one, other, n, kinds):
    """Whether one run of words moved past its neighbours: x u v y, x v u y.

    Past a function word only a phrase that begins with one may move (`at night`), unless two neighbours just changed
    places: `a fox with a white tail` is no `white fox with a tail`. Two colours may change places around an `and`.
    """
    head = 0
    while head < n and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < n - head and one[n - 1 - tail] == other[n - 1 - tail]:
        tail += 1
    length = n - head - tail
    if length == 3 and one[head] == other[head + 2] and one[head + 2] == other[head]:
        listed = kinds[one[head + 1]] & kinds[other[head + 1]] & CONJUNCTION_WORD
        return listed and kinds[one[head]] & kinds[one[head + 2]] & GUARDED != 0
    functions = 0
    for place in range(head, head + length):
        functions += kinds[one[place]] & FUNCTION != 0
    for shift in range(1, length):
        equal = True
        for place in range(length):
            if one[head + (place + shift) % length] != other[head + place]:
                equal = False
                break
        if equal and (
            length == 2
            or (functions == 0 and _same_owners(one, other, n, head, length, kinds))
            or (kinds[one[head]] & FUNCTION and not kinds[one[head + shift - 1]] & FUNCTION)
            or (kinds[one[head + shift]] & FUNCTION and not kinds[one[head + length - 1]] & FUNCTION)
        ):
            return True
    return length == 0


@kernel()
def _same_owners(one, other, n, head, length, kinds):
    """Whether colours and numbers stand before the same words: `a blue cat in scarf` is no `cat in blue scarf`."""
    for place in range(head, head + length):
        if kinds[one[place]] & (GUARDED | NUMERIC):
            after = one[place + 1] if place + 1 < n else -1
            for spot in range(head, head + length):
                if other[spot] == one[place] and after != (other[spot + 1] if spot + 1 < n else -1):
                    return False
    return True


@kernel()
def _same_parts(words, borders, hashes, kinds, a, a_end, b, b_end, skip, skip_end, gap, gap_end, at, new, one, other):
    n = _parts(words, borders, hashes, kinds, a, a_end, skip, skip_end, gap, gap_end, at, new, one)
    m = _parts(words, borders, hashes, kinds, b, b_end, -1, -1, -1, -1, -1, -1, other)
    n, m = _distinct(one, n), _distinct(other, m)
    if n != m:
        return False
    for part in range(n):
        if one[part] != other[part]:
            return False
    return True


@kernel()
def _distinct(parts, count):
    """Sort the first so many, each once: `8k, 8k` is `8k`. Returns how many there are."""
    parts[:count].sort()
    last = 0
    for part in range(1, count):
        if parts[part] != parts[last]:
            last += 1
            parts[last] = parts[part]
    return min(count, last + 1)


@kernel()
def _parts(words, borders, hashes, kinds, first, last, skip, skip_end, gap, gap_end, at, new, out):
    """Hashes of the parts, each of its words of meaning in order."""
    count, empty, value = 0, True, np.uint64(0)
    for place in range(first, last):
        word = words[place]
        if (borders[place] or kinds[word] & CONJUNCTION_WORD) and not empty:
            out[count] = np.int64(value)
            count, empty, value = count + 1, True, np.uint64(0)
        if place == at:
            word = new
        if kinds[word] & FUNCTION or skip <= place < skip_end or gap <= place < gap_end:
            continue
        value = (value ^ hashes[word]) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
        empty = False
    if not empty:
        out[count] = np.int64(value)
        count += 1
    return count
