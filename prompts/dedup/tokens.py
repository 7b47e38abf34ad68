"""Prompts as arrays of word ids, with the borders between their segments, made in one pass over the bytes.

Legend: N prompts, T words of all prompts, W distinct words.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.dedup.language import word_kinds
from prompts.kernels import kernel
from prompts.normalise import PICTOGRAPHS
from prompts.strings import strings_of

SEGMENT, CONJUNCTION = 1, 2
"""What comes before a word: the start of a segment (`,` `;` `.` `|` brackets …), or an `and`."""

_SPACE, _WORD, _BORDER, _INNER, _AND = 0, 1, 2, 3, 4
_CODE_POINTS = 0x20000
"""Below which a character's class is looked up; all above are letters of rare scripts."""
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@dataclass(frozen=True)
class Tokens:
    """Words of N prompts."""

    words: NDArray[np.int32]  # [T] ids
    borders: NDArray[np.uint8]  # [T] SEGMENT, CONJUNCTION or 0
    offsets: NDArray[np.int64]  # [N + 1]
    hashes: NDArray[np.uint64]  # [W] well mixed: sums of them stand for sets of words
    states: NDArray[np.uint64]  # [W] of the hash before mixing, to append to
    spellings: NDArray[np.uint8]  # [...] bytes of all distinct words
    starts: NDArray[np.int64]  # [W + 1] where each begins in `spellings`
    kinds: NDArray[np.uint8]  # [W] flags of `language`
    places: NDArray[np.uint16]  # [T] bytes from the prompt's beginning to the word; 65,535 for any place beyond

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def spelling(self, word: int) -> str:
        """The word as it is written."""
        return self.spellings[self.starts[word] : self.starts[word + 1]].tobytes().decode(errors="replace")


def tokenise(texts: pl.Series) -> Tokens:
    """Split clean prompts into words.

    A word is a run of letters, marks, digits and emoji, in lower case; apostrophes inside a word are dropped, a stop
    between digits stays, `8 k` is `8k` and `3 d` `3d`.
    """
    data, offsets = strings_of(texts)
    classes, lower = _characters()
    total = _count(data, offsets, classes)
    words, borders, places = np.empty(total, np.int32), np.empty(total, np.uint8), np.empty(total, np.uint16)
    row_offsets = np.zeros(len(texts) + 1, np.int64)
    slots = 1 << max(12, int(total // 8).bit_length())
    while True:
        found = _tokenise(data, offsets, classes, lower, words, borders, places, row_offsets, slots)
        if found[0] >= 0:
            break
        slots *= 4
    count, states, spellings, starts = found
    return Tokens(
        words[:count],
        borders[:count],
        row_offsets,
        _mixed(states),
        states,
        spellings,
        starts,
        word_kinds(spellings, starts),
        places[:count],
    )


@lru_cache(maxsize=1)
def _characters() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Class of each code point, and its lower case where that is one character."""
    points = [point for point in range(128, _CODE_POINTS) if not 0xD800 <= point < 0xE000]
    letters = pl.Series([chr(point) for point in points])
    classes = np.full(_CODE_POINTS, _BORDER, np.uint8)
    classes[points] = np.where(letters.str.contains(rf"[\p{{L}}\p{{M}}\p{{N}}{PICTOGRAPHS}]"), _WORD, _SPACE)
    lower = np.arange(_CODE_POINTS, dtype=np.int32)
    small = [chr(point).lower() for point in points]
    lower[points] = [ord(one) if len(one) == 1 else point for point, one in zip(points, small, strict=True)]
    for code in range(128):
        if chr(code).isalnum():
            classes[code] = _WORD
            lower[code] = ord(chr(code).lower())
    for character, kind in (
        *((one, _SPACE) for one in " \t\r-_/\\*~^#$%=<>@`"),
        *((one, _BORDER) for one in "、。，；：！？…｜"),
        *((one, _INNER) for one in "'’"),
        *((one, _AND) for one in "&+"),
    ):
        classes[ord(character)] = kind
    return classes, lower


@kernel()
def _character(data, position):
    """Code point at `position`, and the position after it."""
    first = np.int32(data[position])
    if first < 0x80:
        return first, position + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[position + 1] & 0x3F), position + 2
    if first < 0xF0:
        code = (first & 0x0F) << 12 | (np.int32(data[position + 1]) & 0x3F) << 6 | (data[position + 2] & 0x3F)
        return code, position + 3
    code = (first & 0x07) << 18 | (np.int32(data[position + 1]) & 0x3F) << 12
    code |= (np.int32(data[position + 2]) & 0x3F) << 6 | (data[position + 3] & 0x3F)
    return code, position + 4


@kernel()
def _encode(code, out, used):
    """Write a code point as UTF-8; returns where the next goes."""
    if code < 0x80:
        out[used] = code
        return used + 1
    if code < 0x800:
        out[used], out[used + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return used + 2
    if code < 0x10000:
        out[used], out[used + 1], out[used + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return used + 3
    out[used], out[used + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    out[used + 2], out[used + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return used + 4


@kernel()
def _class(classes, code):
    return classes[code] if code < len(classes) else np.uint8(_WORD)


@kernel()
def _count(data, offsets, classes):
    """No fewer than the number of words."""
    count = 0
    for row in range(len(offsets) - 1):
        inside = False
        position = offsets[row]
        while position < offsets[row + 1]:
            code, position = _character(data, position)
            kind = _class(classes, code)
            if kind == _WORD and not inside:
                count += 1
            inside = kind == _WORD
    return count


@kernel()
def _mixed(states):
    """The finaliser of SplitMix64."""
    mixed = np.empty_like(states)
    for i in range(len(states)):
        value = states[i]
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed[i] = value ^ (value >> np.uint64(31))
    return mixed


@kernel()
def extend_hash(state, spellings, start, end):
    """The hash's state after more bytes."""
    for position in range(start, end):
        state = (state ^ np.uint64(spellings[position])) * _FNV_PRIME
    return state


@kernel()
def _tokenise(data, offsets, classes, lower, words, borders, places, row_offsets, slots):
    mask = np.uint64(slots - 1)
    table = np.full(slots, -1, np.int32)
    limit = slots // 2
    states = np.empty(limit, np.uint64)
    starts = np.zeros(limit + 1, np.int64)
    spellings = np.empty(len(data) + len(data) // 2 + 16, np.uint8)
    distinct, used, count = 0, 0, 0
    for row in range(len(offsets) - 1):
        position, end = offsets[row], offsets[row + 1]
        first = count
        border, length = SEGMENT, 0
        while position < end:
            code, after = _character(data, position)
            kind = _class(classes, code)
            if kind != _WORD:
                # A full stop after one or two letters is an abbreviation's: `j. c.`, `mr.`
                if kind == _BORDER and not (code == 46 and 0 < length <= 2):
                    border = SEGMENT
                elif kind == _AND and border == 0:
                    border = CONJUNCTION
                position = after
                continue
            begin, place = used, position
            digit = False
            while position < end:
                code, after = _character(data, position)
                kind = _class(classes, code)
                if kind == _WORD:
                    digit = 48 <= code <= 57
                    used = _encode(lower[code] if code < len(lower) else code, spellings, used)
                elif code == 46 and digit and after < end and 48 <= data[after] <= 57:
                    used = _encode(code, spellings, used)
                elif not (kind == _INNER and after < end and _class(classes, _character(data, after)[0]) == _WORD):
                    break
                position = after
            length = used - begin
            letter = spellings[begin]
            if length == 1 and (letter == 107 or letter == 100) and border == 0 and count > first:
                # `8 k`, `3 d`: go on with the number before.
                last = words[count - 1]
                all_digits = True
                for spot in range(starts[last], starts[last + 1]):
                    all_digits = all_digits and 48 <= spellings[spot] <= 57
                if all_digits:
                    used = begin
                    for spot in range(starts[last], starts[last + 1]):
                        spellings[used] = spellings[spot]
                        used += 1
                    spellings[used] = letter
                    used += 1
                    count -= 1
                    border, place = borders[count], offsets[row] + places[count]
            state = extend_hash(_FNV_OFFSET, spellings, begin, used)
            slot = (state ^ (state >> np.uint64(32))) & mask
            while table[slot] >= 0 and states[table[slot]] != state:
                slot = (slot + np.uint64(1)) & mask
            word = table[slot]
            if word < 0:
                if distinct == limit:
                    return -1, states, spellings, starts
                word = distinct
                table[slot] = word
                states[word] = state
                distinct += 1
                starts[distinct] = used
            else:
                used = begin
            words[count], borders[count] = word, border
            places[count] = min(place - offsets[row], 65535)
            border = 0
            count += 1
        row_offsets[row + 1] = count
    return count, states[:distinct].copy(), spellings[:used].copy(), starts[: distinct + 1].copy()
