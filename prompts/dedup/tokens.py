"""Prompts as arrays of word ids, with the borders between their segments, made in one pass over the bytes.

Legend: N prompts, T words of all prompts, W distinct words.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.beside import cores, each_ahead
from prompts.dedup.characters import AND, BORDER, INNER, WORD, character, characters, class_of, encode
from prompts.dedup.language import word_kinds
from prompts.dedup.tables import slot_of
from prompts.dedup.variants import respellings
from prompts.kernels import kernel
from prompts.strings import strings_of
from prompts.workspace import Workspace

SEGMENT, CONJUNCTION = 1, 2
"""What comes before a word: the start of a segment (`,` `;` `.` `|` brackets …), or an `and`."""

_MOST_THREADS = 8
"""Each holds a column; more would wait for the one that puts them together."""

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
    also: NDArray[np.int32]  # [W] another spelling of the same word, which no prompt has here, or -1
    places: NDArray[np.uint32]  # [T] bytes from the prompt's beginning to the word
    respelt: NDArray[np.bool_]  # [N] prompts with a word that most others spell in another way

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def spelling(self, word: int) -> str:
        """The word as it is written."""
        return self.spellings[self.starts[word] : self.starts[word + 1]].tobytes().decode(errors="replace")


def tokenise(texts: Iterable[pl.Series], workspace: Workspace | None = None, earlier: Tokens | None = None) -> Tokens:
    """Split clean prompts into words.

    A word is a run of letters, marks, digits and emoji, in lower case; apostrophes inside a word are dropped, a stop
    between digits stays, `8 k` is `8k` and `3 d` `3d`. Of several spellings all are one word (`variants`).

    Args:
        texts: columns, one after the other; several are split at a time.
        workspace: of the large arrays; default memory.
        earlier: of prompts that come before these, and are not split again.
    """
    workspace = workspace or Workspace()
    kinds = {"words": np.int32, "borders": np.uint8, "places": np.uint32, "offsets": np.int64, "respelt": np.bool_}
    growing = {name: workspace.growing(f"tokens.{name}", kind) for name, kind in kinds.items()}
    if earlier:
        for name, array in growing.items():
            array.append(getattr(earlier, name))
    else:
        growing["offsets"].append(np.zeros(1, np.int64))
    dictionary, total = _Respelt(earlier), len(earlier.words) if earlier else 0
    threads = min(cores(), _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        for column in each_ahead(_split, texts, pool, threads):
            ids, meant = dictionary.take_in(column.dictionary)
            growing["words"].append(meant[column.words])
            growing["borders"].append(column.borders)
            growing["places"].append(column.places)
            growing["offsets"].append(column.ends + total)
            growing["respelt"].append(_any(meant != ids, column.words, column.ends))
            total += len(column.words)
    states, spellings, starts = dictionary.whole()
    known = earlier.kinds if earlier else np.empty(0, np.uint8)
    return Tokens(
        **{name: array.whole() for name, array in growing.items()},
        hashes=_mixed(states),
        states=states,
        spellings=spellings,
        starts=starts,
        kinds=np.concatenate([known, word_kinds(spellings, starts[len(known) :])]),
        also=dictionary.also,
    )


class _Column(NamedTuple):
    """As `Tokens`, of one column and with its own dictionary."""

    words: NDArray[np.int32]
    borders: NDArray[np.uint8]
    places: NDArray[np.uint32]
    ends: NDArray[np.int64]
    dictionary: "_Dictionary"


def _split(column: pl.Series) -> _Column:
    classes, lower = characters()
    data, offsets = strings_of(column)
    dictionary = _Dictionary()
    size = _new_words(int(offsets[-1] - offsets[0])) + len(column)  # room that is not used costs nothing
    words, borders, places = np.empty(size, np.int32), np.empty(size, np.uint8), np.empty(size, np.uint32)
    ends = np.zeros(len(offsets) - 1, np.int64)
    row, count = 0, 0
    while row < len(offsets) - 1:
        dictionary.make_room(_new_words(int(offsets[row + 1] - offsets[row])), int(offsets[row + 1] - offsets[row]))
        row, count, dictionary.distinct, dictionary.used = _tokenise(
            data, offsets, row, count, classes, lower, words, borders, places, ends, dictionary.table,
            dictionary.states, dictionary.spellings, dictionary.starts, dictionary.distinct, dictionary.used,
        )  # fmt: skip
    return _Column(words[:count], borders[:count], places[:count], ends, dictionary)


class _Dictionary:
    """All distinct words so far: a hash table that grows."""

    def __init__(self) -> None:
        self.distinct, self.used = 0, 0  # words, and bytes of them
        self.table = np.full(1 << 12, -1, np.int32)
        self.states = np.empty(1 << 11, np.uint64)
        self.starts = np.zeros((1 << 11) + 1, np.int64)
        self.spellings = np.empty(1 << 16, np.uint8)

    def make_room(self, words: int, size: int) -> None:
        """For so many words more, of a text of so many bytes. A letter may be longer in lower case."""
        if self.distinct + words > len(self.states):
            limit = 4 * max(len(self.states), words)
            self.states = _longer(self.states, limit)
            self.starts = _longer(self.starts, limit + 1)
            self.table = _slots(self.states[: self.distinct], 2 * limit)
        if self.used + _new_bytes(size) > len(self.spellings):
            self.spellings = _longer(self.spellings, 2 * max(len(self.spellings), _new_bytes(size)))

    def add(
        self, states: NDArray[np.uint64], spellings: NDArray[np.uint8], starts: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Add words of another, `whole` there; returns what each is here."""
        self.make_room(len(states), len(spellings))
        ids, self.distinct, self.used = _take_in(
            states, spellings, starts, self.table, self.states, self.spellings, self.starts, self.distinct, self.used
        )
        return ids

    def whole(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]:
        """States, spellings and starts, of all words and no more."""
        return (
            self.states[: self.distinct].copy(),
            self.spellings[: self.used].copy(),
            self.starts[: self.distinct + 1].copy(),
        )


class _Respelt:
    """The words of all columns, and of each the one that stands for it.

    Args:
        earlier: those that are there already.
    """

    def __init__(self, earlier: Tokens | None) -> None:
        self._words, self._meant, self.also = _Dictionary(), np.empty(0, np.int32), np.empty(0, np.int32)
        if earlier:
            self._words.add(earlier.states, earlier.spellings, earlier.starts)
            self._respell()

    def take_in(self, other: _Dictionary) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Add the words of another; returns what each is here, and which word stands for it."""
        ids = self._words.add(*other.whole())
        self._respell()
        return ids, self._meant[ids]

    def whole(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]:
        """As of a `_Dictionary`."""
        return self._words.whole()

    def _respell(self) -> None:
        """Look at words that are new. Each has its other spelling with it, whether or not anybody uses that."""
        words, first = self._words, len(self._meant)
        spellings = _two_ways()
        found = first + np.flatnonzero(
            np.isin(words.states[first : words.distinct], np.array(list(spellings), np.uint64))
        )
        both = [words.add(*spellings[state]) for state in words.states[found].tolist()]
        self._meant = np.r_[self._meant, np.arange(first, words.distinct, dtype=np.int32)]
        self.also = np.r_[self.also, np.full(words.distinct - first, -1, np.int32)]
        for word, (meant, other) in zip(found, both, strict=True):
            self._meant[[word, other]] = meant
            self.also[meant] = other


@lru_cache(maxsize=1)
def _two_ways() -> dict[int, tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]]:
    """State of a word → the spelling that stands for it and another one, as a dictionary of these two."""

    def state(spelling: bytes) -> np.uint64:
        return np.uint64(extend_hash(_FNV_OFFSET, np.frombuffer(spelling, np.uint8), 0, len(spelling)))

    found: dict[int, tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]] = {}
    for spelling, meant in respellings().items():
        both = (
            np.array([state(meant), state(spelling)]),
            np.frombuffer(meant + spelling, np.uint8),
            np.array([0, len(meant), len(meant) + len(spelling)]),
        )
        found[int(state(spelling))] = found.setdefault(int(state(meant)), both)
    return found


def _longer(array: NDArray[Any], size: int) -> NDArray[Any]:
    longer = np.empty(size, array.dtype)
    longer[: len(array)] = array
    return longer


@kernel()
def _any(marked, words, ends):
    """[N] prompts that hold a marked word."""
    found = np.zeros(len(ends), np.bool_)
    place = 0
    for row in range(len(ends)):
        while place < ends[row]:
            found[row] |= marked[words[place]]
            place += 1
    return found


@kernel()
def _new_words(size):
    """At most, in so many bytes."""
    return size // 2 + 1


@kernel()
def _new_bytes(size):
    """At most, of the spellings of so many bytes and one that is being put together."""
    return 3 * size + 16


@kernel()
def _slots(states, size):
    # A power of two, as sizes only ever grow fourfold from one.
    rounded = 1
    while rounded < size:
        rounded *= 2
    table = np.full(rounded, -1, np.int32)
    mask = np.uint64(rounded - 1)
    for word in range(len(states)):
        slot = slot_of(states[word], mask)
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = word
    return table


@kernel()
def _take_in(new_states, new_spellings, new_starts, table, states, spellings, starts, distinct, used):
    mask = np.uint64(len(table) - 1)
    ids = np.empty(len(new_states), np.int32)
    for new in range(len(new_states)):
        slot = slot_of(new_states[new], mask)
        while table[slot] >= 0 and states[table[slot]] != new_states[new]:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = distinct
            states[distinct] = new_states[new]
            for place in range(new_starts[new], new_starts[new + 1]):
                spellings[used] = new_spellings[place]
                used += 1
            distinct += 1
            starts[distinct] = used
        ids[new] = table[slot]
    return ids, distinct, used


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
def _tokenise(
    data, offsets, begin_row, count, classes, lower, words, borders, places, ends, table, states, spellings, starts,
    distinct, used,
):  # fmt: skip
    """Rows from `begin_row` on, as far as the dictionary has room: (next row, words so far, distinct, used)."""
    mask = np.uint64(len(table) - 1)
    for row in range(begin_row, len(offsets) - 1):
        position, end = offsets[row], offsets[row + 1]
        if distinct + _new_words(end - position) > len(states) or used + _new_bytes(end - position) > len(spellings):
            return row, count, distinct, used
        first = count
        border, length = SEGMENT, 0
        while position < end:
            code, after = character(data, position)
            kind = class_of(classes, code)
            if kind != WORD:
                # A full stop after one or two letters is an abbreviation's: `j. c.`, `mr.`
                if kind == BORDER and not (code == 46 and 0 < length <= 2):
                    border = SEGMENT
                elif kind == AND and border == 0:
                    border = CONJUNCTION
                position = after
                continue
            begin, place = used, position
            state, digit = _FNV_OFFSET, False
            while position < end:
                byte = data[position]
                if byte < 128 and classes[byte] == WORD:  # most are
                    digit = byte <= 57
                    small = np.uint8(lower[byte])
                    spellings[used] = small
                    state = (state ^ np.uint64(small)) * _FNV_PRIME
                    used += 1
                    position += 1
                    continue
                code, after = character(data, position)
                kind = class_of(classes, code)
                here = used
                if kind == WORD:
                    digit = False
                    used = encode(lower[code] if code < len(lower) else code, spellings, used)
                elif code == 46 and digit and after < end and 48 <= data[after] <= 57:
                    used = encode(code, spellings, used)
                elif not (kind == INNER and after < end and class_of(classes, character(data, after)[0]) == WORD):
                    break
                state = extend_hash(state, spellings, here, used)
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
            slot = slot_of(state, mask)
            while table[slot] >= 0 and states[table[slot]] != state:
                slot = (slot + np.uint64(1)) & mask
            word = table[slot]
            if word < 0:
                word = distinct
                table[slot] = word
                states[word] = state
                distinct += 1
                starts[distinct] = used
            else:
                used = begin
            words[count], borders[count] = word, border
            places[count] = place - offsets[row]
            border = 0
            count += 1
        ends[row] = count
    return len(offsets) - 1, count, distinct, used
