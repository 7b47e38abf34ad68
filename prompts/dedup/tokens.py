"""Prompts as arrays of word ids, with the borders between their segments, made in one pass over the bytes.

Legend: N prompts, T words of all prompts, W distinct words.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from prompts.dedup.language import word_kinds

SEGMENT, CONJUNCTION = 1, 2
"""What comes before a word: the start of a segment (`,` `;` `.` `|` brackets …), or an `and`."""

_SPACE, _WORD, _BORDER, _INNER, _AND = 0, 1, 2, 3, 4
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

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def spelling(self, word: int) -> str:
        """The word as it is written."""
        return self.spellings[self.starts[word] : self.starts[word + 1]].tobytes().decode(errors="replace")


def tokenise(texts: pl.Series) -> Tokens:
    """Split clean prompts into words.

    A word is a run of ASCII letters and digits and of all other letters, in lower case; apostrophes inside a word are
    dropped, a full stop between digits stays, `8 k` is `8k`.
    """
    data, offsets = _folded(texts)
    total = _count(data, offsets, _CLASSES)
    words, borders = np.empty(total, np.int32), np.empty(total, np.uint8)
    row_offsets = np.zeros(len(texts) + 1, np.int64)
    slots = 1 << max(12, int(total // 8).bit_length())
    while True:
        found = _tokenise(data, offsets, _CLASSES, words, borders, row_offsets, slots)
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
    )


def _folded(texts: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Lower case; outside ASCII everything but letters, marks and digits becomes a space."""
    lower = texts.str.to_lowercase()
    foreign = lower.str.len_bytes() != lower.str.len_chars()
    if foreign.any():
        frame = lower.alias("text").to_frame()
        cleaned = (
            pl.col("text")
            .str.replace_many(["ß", "ς", "’", "、", "。"], ["ss", "σ", "'", ",", "."])
            .str.replace_all(r"[^\p{L}\p{M}\p{N}\x00-\x7f]+", " ")
        )
        lower = frame.select(pl.when(foreign).then(cleaned).otherwise("text"))["text"]
    array = lower.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    begin = array.offset
    bounds = np.frombuffer(offsets, np.int64)[begin : begin + len(array) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8), bounds


def _classes() -> NDArray[np.uint8]:
    table = np.full(256, _BORDER, np.uint8)
    table[128:] = _WORD
    for character in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        table[character] = _WORD
    for character in b" \t\r-_/\\*~^#$%=<>@`":
        table[character] = _SPACE
    table[ord("'")] = _INNER
    for character in b"&+":
        table[character] = _AND
    return table


_CLASSES = _classes()


@njit(cache=True, nogil=True)
def _count(data, offsets, classes):
    """No fewer than the number of words."""
    count = 0
    for row in range(len(offsets) - 1):
        inside = False
        for position in range(offsets[row], offsets[row + 1]):
            word = classes[data[position]] == _WORD
            if word and not inside:
                count += 1
            inside = word
    return count


@njit(cache=True, nogil=True)
def _mixed(states):
    """The finaliser of SplitMix64."""
    mixed = np.empty_like(states)
    for i in range(len(states)):
        value = states[i]
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed[i] = value ^ (value >> np.uint64(31))
    return mixed


@njit(cache=True, nogil=True)
def extend_hash(state, spellings, start, end):
    """The hash's state after more bytes."""
    for position in range(start, end):
        state = (state ^ np.uint64(spellings[position])) * _FNV_PRIME
    return state


@njit(cache=True, nogil=True)
def _tokenise(data, offsets, classes, words, borders, row_offsets, slots):
    mask = np.uint64(slots - 1)
    table = np.full(slots, -1, np.int32)
    limit = slots // 2
    states = np.empty(limit, np.uint64)
    starts = np.zeros(limit + 1, np.int64)
    spellings = np.empty(max(len(data), 1), np.uint8)
    distinct, used, count = 0, 0, 0
    for row in range(len(offsets) - 1):
        position, end = offsets[row], offsets[row + 1]
        first = count
        border, length = SEGMENT, 0
        while position < end:
            kind = classes[data[position]]
            if kind != _WORD:
                # A full stop after one or two letters is an abbreviation's: `j. c.`, `mr.`
                if kind == _BORDER and not (data[position] == 46 and 0 < length <= 2):
                    border = SEGMENT
                elif kind == _AND and border == 0:
                    border = CONJUNCTION
                position += 1
                continue
            state = _FNV_OFFSET
            begin = used
            digit = False
            while position < end:
                byte = data[position]
                kind = classes[byte]
                if kind == _WORD:
                    digit = 48 <= byte <= 57
                    state = (state ^ np.uint64(byte)) * _FNV_PRIME
                    spellings[used] = byte
                    used += 1
                elif byte == 46 and digit and position + 1 < end and 48 <= data[position + 1] <= 57:
                    state = (state ^ np.uint64(byte)) * _FNV_PRIME
                    spellings[used] = byte
                    used += 1
                elif not (kind == _INNER and position + 1 < end and classes[data[position + 1]] == _WORD):
                    break
                position += 1
            length = used - begin
            if length == 1 and spellings[begin] == 107 and border == 0 and count > first:
                # `8 k`: go on with the number before.
                last = words[count - 1]
                all_digits = True
                for place in range(starts[last], starts[last + 1]):
                    all_digits = all_digits and 48 <= spellings[place] <= 57
                if all_digits:
                    used = begin
                    for place in range(starts[last], starts[last + 1]):
                        spellings[used] = spellings[place]
                        used += 1
                    spellings[used] = 107
                    used += 1
                    state = (states[last] ^ np.uint64(107)) * _FNV_PRIME
                    count -= 1
                    border = borders[count]
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
            words[count] = word
            borders[count] = border
            border = 0
            count += 1
        row_offsets[row + 1] = count
    return count, states[:distinct].copy(), spellings[:used].copy(), starts[: distinct + 1].copy()
