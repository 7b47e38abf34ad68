"""How much of a prompt is no word of any kind: keyboard mashing, hashes, encoded data, one key held down.

Each word is judged by itself. Latin words of five letters or more by how unexpected their letters are: names and
made-up words can be spoken, and so look like words of some language; mashed keys do not. Short words are mostly
abbreviations, and words of other scripts are not judged; both count as words.
"""

import unicodedata
from itertools import pairwise

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.scores.trigrams import STEPS, load_costs
from prompts.strings import strings_of

_SHORTEST = 5
_LONGEST = 64
"""Letters of a word that are looked at."""
_USUAL = 4.2
"""Bits per letter below which a word is one; most have 3 to 4."""
_STEEPNESS = 4.0
"""Per bit and letter."""
_CODE = 12
"""From this length on, digits and letters in turn are a hash rather than a model number."""
_NUMBER = 10
"""From this length on, digits are no number that one would say."""
_SWIPE = 4
"""From this length on, keys in the order of the keyboard that fill most of a word are no coincidence."""

_FOREIGN = np.uint8(255)
_DIGIT = np.uint8(254)


def gibberish(rows: pl.DataFrame) -> pl.Series:
    """Share of the letters and digits of `key` that stand in words which are none, in [0, 1]."""
    return pl.Series(_score(*strings_of(rows["key"]), load_costs()), dtype=pl.Float32)


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
        for left, right in pairwise(keys):
            steps[ord(left) - 96, ord(right) - 96] = 1
            steps[ord(right) - 96, ord(left) - 96] = -1
    return steps


_PLAIN = _plain_letters()
_KEYBOARD = _keyboard()


@kernel()
def _score(data, offsets, costs):
    rows = len(offsets) - 1
    scores = np.zeros(rows, dtype=np.float32)
    word = np.empty(_LONGEST, dtype=np.uint8)
    for row in range(rows):
        stop = offsets[row + 1]
        total = 0
        odd = 0.0
        size = cost = 0
        first = second = np.uint8(0)
        letters_only = True
        for i in range(offsets[row], stop + 1):
            byte = data[i] if i < stop else np.uint8(32)
            if byte == 32:
                if size >= _SWIPE:
                    kept = min(size, _LONGEST)
                    if letters_only:
                        bits = (cost + costs[first, second, 0]) / (STEPS * (kept + 1))
                        if bits >= _USUAL:
                            odd += size * _oddity(word[:kept], bits)
                    else:
                        odd += size * _oddity_of_code(word[:kept])
                total += size
                size = cost = 0
                first = second = np.uint8(0)
                letters_only = True
                continue
            if 97 <= byte < 128:
                code = np.uint8(byte - 96)
            elif byte < 128:
                code = _DIGIT
            elif byte & 0xC0 == 0x80:  # the rest of a character
                continue
            elif 0xC3 <= byte <= 0xC5 and i + 1 < stop:
                code = _PLAIN[(np.int64(byte) - 0xC3) * 64 + (data[i + 1] & 0x3F)]
            else:
                code = _FOREIGN
            if size < _LONGEST:
                word[size] = code
                if code >= _DIGIT:
                    letters_only = False
                else:
                    cost += costs[first, second, code]
                    first, second = second, code
            size += 1
        if total:
            scores[row] = min(odd / total, 1.0)
    return scores


@kernel()
def _oddity(word, bits):
    """How surely a word of unusually many bits per letter is none, in [0, 1]."""
    if _is_held_or_swiped(word):
        return 1.0
    if len(word) < _SHORTEST:
        return 0.0
    oddest = 5.3 + 6.0 / len(word)  # real words and names hardly pass this
    return 1.0 / (1.0 + np.exp(-_STEEPNESS * (bits - oddest)))


@kernel()
def _oddity_of_code(word):
    """The same of words with digits, which are judged by these, or with letters of other scripts, which are not."""
    size = len(word)
    digits = turns = 0
    for i in range(size):
        if word[i] == _FOREIGN:
            return 0.0
        digits += word[i] == _DIGIT
        turns += i > 0 and (word[i] == _DIGIT) != (word[i - 1] == _DIGIT)
    if turns >= 2:
        return 1.0 if size >= _CODE else 0.6
    return 1.0 if digits >= _NUMBER else 0.0


@kernel()
def _is_held_or_swiped(word):
    """Whether one key, or keys in the order of the keyboard, fill most of a word."""
    size = len(word)
    run = longest_run = 1
    swipe = longest_swipe = 1
    direction = 0
    for i in range(1, size):
        run = run + 1 if word[i] == word[i - 1] else 1
        step = _KEYBOARD[word[i - 1], word[i]]
        swipe = swipe + 1 if step and step == direction else 2 if step else 1
        direction = step
        longest_run = max(longest_run, run)
        longest_swipe = max(longest_swipe, swipe)
    return longest_run > max(4, size // 2) or longest_swipe >= max(_SWIPE, 0.6 * size)
