"""How much of a prompt is no word of any kind: keyboard mashing, hashes, encoded data, one key held down.

Each word is judged by itself. Latin words of five letters or more by how unexpected their letters are: names and
made-up words can be spoken, and so look like words of some language; mashed keys do not. Short words are mostly
abbreviations, and words of other scripts are not judged; both count as words.
"""

import unicodedata

import numpy as np
import polars as pl
from numba import njit

from prompts.scores.buffers import utf8
from prompts.scores.trigrams import STEPS, load_costs

_SHORTEST = 5
_LONGEST = 64
"""Letters of a word that are looked at."""
_STEEPNESS = 4.0
"""Per bit and letter."""
_CODE = 12
"""From this length on, digits and letters in turn are a hash rather than a model number."""
_NUMBER = 10
"""From this length on, digits are no number that one would say."""
_SWIPE = 4
"""From this length on, keys in the order of the keyboard that fill most of a word are no coincidence."""

_FOREIGN = 255
_DIGIT = 254


def gibberish(rows: pl.DataFrame) -> pl.Series:
    """Share of the letters and digits of `key` that stand in words which are none, in [0, 1]."""
    return pl.Series(_score(*utf8(rows["key"]), load_costs()), dtype=pl.Float32)


def _plain_letters() -> np.ndarray:
    """U+00C0 to U+017F as letters 1 to 26 without their diacritics."""
    others = dict(zip("ßæøđłıœþðħŋſ", "saodliotdhns", strict=True))
    plain = np.full(192, _FOREIGN, dtype=np.uint8)
    for i in range(192):
        letter = chr(0xC0 + i).lower()
        base = others.get(letter, unicodedata.normalize("NFKD", letter)[0])
        if "a" <= base <= "z":
            plain[i] = ord(base) - 96
    return plain


def _keyboard() -> np.ndarray:
    """1 where the second letter lies right of the first in a row of the keyboard, -1 where it lies left, else 0."""
    steps = np.zeros((27, 27), dtype=np.int8)
    for keys in ("qwertyuiop", "asdfghjkl", "zxcvbnm"):
        for left, right in zip(keys, keys[1:], strict=False):
            steps[ord(left) - 96, ord(right) - 96] = 1
            steps[ord(right) - 96, ord(left) - 96] = -1
    return steps


_PLAIN = _plain_letters()
_KEYBOARD = _keyboard()


@njit(cache=True, nogil=True)
def _score(data, offsets, costs):
    rows = len(offsets) - 1
    scores = np.zeros(rows, dtype=np.float32)
    word = np.empty(_LONGEST, dtype=np.uint8)
    for row in range(rows):
        stop = offsets[row + 1]
        total = 0
        odd = 0.0
        i = offsets[row]
        while i < stop:
            size, i = _next_word(data, i, stop, word)
            if size:
                total += size
                odd += size * _oddity(word, min(size, _LONGEST), costs)
        if total:
            scores[row] = min(odd / total, 1.0)
    return scores


@njit(cache=True, nogil=True)
def _next_word(data, i, stop, word):
    """Write the word at `i` as letters 1 to 26, `_DIGIT` or `_FOREIGN`; its length in characters, and what follows."""
    size = 0
    while i < stop:
        byte = data[i]
        i += 1
        if byte == 32:
            break
        if byte >= 128:
            if byte & 0xC0 == 0x80:
                continue
            code = _FOREIGN
            if 0xC3 <= byte <= 0xC5 and i < stop:
                code = _PLAIN[(np.int64(byte) - 0xC3) * 64 + (data[i] & 0x3F)]
        elif byte >= 97:
            code = byte - 96
        else:
            code = _DIGIT
        if size < _LONGEST:
            word[size] = code
        size += 1
    return size, i


@njit(cache=True, nogil=True)
def _oddity(word, size, costs):
    """How surely a word is none, in [0, 1]."""
    if size < _SWIPE:
        return 0.0
    digits = 0
    turns = 0
    run = longest_run = 1
    swipe = longest_swipe = 1
    direction = 0
    cost = 0.0
    first = second = 0
    for i in range(size):
        code = word[i]
        if code == _FOREIGN:
            return 0.0
        if code == _DIGIT:
            digits += 1
        else:
            cost += costs[first, second, code] if digits == 0 else 0
        if i:
            if (code == _DIGIT) != (word[i - 1] == _DIGIT):
                turns += 1
            run = run + 1 if code == word[i - 1] else 1
            longest_run = max(longest_run, run)
            step = 0 if code == _DIGIT or word[i - 1] == _DIGIT else _KEYBOARD[word[i - 1], code]
            swipe = swipe + 1 if step and step == direction else 2 if step else 1
            direction = step
            longest_swipe = max(longest_swipe, swipe)
        first, second = second, code if code != _DIGIT else 0
    if digits:
        if turns >= 2:
            return 1.0 if size >= _CODE else 0.6
        return 1.0 if digits >= _NUMBER else 0.0
    if longest_run > max(4, size // 2) or longest_swipe >= max(_SWIPE, 0.6 * size):
        return 1.0
    if size < _SHORTEST:
        return 0.0
    bits = (cost + costs[first, second, 0]) / (STEPS * (size + 1))
    usual = 5.3 + 6.0 / size  # what the oddest real words and names have
    return 1.0 / (1.0 + np.exp(-_STEEPNESS * (bits - usual)))
