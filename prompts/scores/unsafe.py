"""How strongly the words of a prompt say that it is sexual, hateful or gory: a score for a policy, no verdict.

Words and phrases of `data/unsafe.tsv` are matched whole, so `cockatoo` and `Scunthorpe` are nothing; each counts once.
Seen through are letters that are spaced out (`n u d e`), held down (`nuuude`) or replaced by digits (`nud3`).
"""

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.scores.lexicon import load_lexicon, longest_match, look_up, may_begin
from prompts.scores.word_hash import SEED, finish, grow
from prompts.strings import strings_of

_GROUPS = ("innocent", "minor", "sexual", "hate", "gore")
_MINOR, _SEXUAL = _GROUPS.index("minor"), _GROUPS.index("sexual")
_WITH_MINOR = 0.97
"""The score of a sexual prompt about minors, at least."""
_SEXUAL_ENOUGH = 0.3
_SPELLED = 4
"""Single letters in a row that may be a word spelled out, at least; so many letters has a word with digits, too."""
_LONGEST = 24
_MATCHES = 32
"""Different phrases that count."""

_LETTER_FOR = np.arange(256, dtype=np.uint8)
_LETTER_FOR[[ord(digit) for digit in "01345789"]] = [ord(letter) for letter in "oieastbg"]


def unsafe(rows: pl.DataFrame) -> pl.Series:
    """Evidence in `key`, in [0, 1): 1 - (1 - a)(1 - b)... of the weights of the phrases that it has."""
    return pl.Series(_score(*strings_of(rows["key"]), load_lexicon("unsafe", _GROUPS)), dtype=pl.Float32)


@kernel()
def _score(data, offsets, lexicon):
    rows = len(offsets) - 1
    scores = np.zeros(rows, dtype=np.float32)
    gate = lexicon.gate
    longest = 1
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, dtype=np.uint64)
    matches = np.empty(_MATCHES, dtype=np.int64)
    letters = np.empty(_LONGEST, dtype=np.uint8)
    for row in range(rows):
        words, found = _read_words(data, offsets[row], offsets[row + 1], lexicon, hashes, matches, letters)
        i = 0
        while i < words and found < _MATCHES:
            length = 1
            if may_begin(gate, hashes[i]):
                place, length = longest_match(lexicon, hashes, i, words)
                if place >= 0:
                    found = _add(matches, found, place)
            i += length
        if found:
            scores[row] = _weigh(lexicon, matches, found)
    return scores


@kernel()
def _weigh(lexicon, matches, found):
    safe = 1.0
    not_sexual = 1.0
    minor = False
    for i in range(found):
        weight = lexicon.weights[matches[i]]
        group = lexicon.groups[matches[i]]
        safe *= 1.0 - weight
        if group == _SEXUAL:
            not_sexual *= 1.0 - weight
        minor |= group == _MINOR
    score = 1.0 - safe
    if minor and 1.0 - not_sexual >= _SEXUAL_ENOUGH:
        score = max(score, _WITH_MINOR)
    return score


@kernel()
def _add(matches, found, place):
    """Note a match that is not noted yet; how many there are."""
    if found == _MATCHES:
        return found
    for i in range(found):
        if matches[i] == place:
            return found
    matches[found] = place
    return found + 1


@kernel()
def _read_words(data, start, stop, lexicon, hashes, matches, letters):
    """Hashes of the words of a row, and matches of those that are written in disguise."""
    words = found = spelled = 0
    i = start
    while i < stop:
        first = i
        state = SEED
        digits = 0
        same = held = False
        before = np.uint8(32)
        while i < stop and data[i] != 32:
            byte = data[i]
            state = grow(state, byte)
            digits += byte < 58
            held |= same & (byte == before)  # the same letter three times
            same = byte == before
            before = byte
            i += 1
        size = i - first
        if size:
            hashes[words] = finish(state)
            words += 1
        if size == 1 and not digits:
            if spelled < _LONGEST:
                letters[spelled] = data[first]
            spelled += 1
        else:
            if spelled >= _SPELLED:
                found = _add_spelled(matches, found, lexicon, letters, spelled)
            spelled = 0
            disguised = held or (digits and size >= _SPELLED and 2 * digits <= size)
            if disguised and size <= _LONGEST:
                found = _add_disguised(matches, found, lexicon, data[first:i], letters)
        i += 1
    return words, _add_spelled(matches, found, lexicon, letters, spelled)


@kernel()
def _add_spelled(matches, found, lexicon, letters, size):
    if not _SPELLED <= size <= _LONGEST:
        return found
    return _add_word(matches, found, lexicon, letters, size)


@kernel()
def _add_disguised(matches, found, lexicon, word, letters):
    """Digits as the letters that they look like, and letters held down as one or as two."""
    for kept in (1, 2):
        size = 0
        for i in range(len(word)):
            letter = _LETTER_FOR[word[i]]
            if i >= 2 and word[i] == word[i - 1] == word[i - 2]:
                continue  # the third and later ones
            if kept == 1 and 0 < i < len(word) - 1 and word[i] == word[i - 1] and word[i] == word[i + 1]:
                continue
            letters[size] = letter
            size += 1
        found = _add_word(matches, found, lexicon, letters, size)
    return found


@kernel()
def _add_word(matches, found, lexicon, letters, size):
    state = SEED
    for i in range(size):
        state = grow(state, letters[i])
    place = look_up(lexicon.keys, finish(state))
    return _add(matches, found, place) if place >= 0 and lexicon.weights[place] > 0 else found
