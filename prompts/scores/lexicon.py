"""Weighted words and phrases from a data file, as a hash table for compiled loops.

A line of the file is `group<TAB>weight<TAB>phrases`: phrases of up to three words, with commas between, in the form of
normalised text. `logo(s)` stands for both forms. `#` begins a comment.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from prompts.kernels import kernel
from prompts.scores.word_hash import hash_word, join

LONGEST_PHRASE = 3
_DATA = Path(__file__).parent / "data"


class Lexicon(NamedTuple):
    """An open table; a free place has key 0."""

    keys: np.ndarray
    """uint64 [S], S a power of two: hashes of words, and of phrases by `join`."""
    groups: np.ndarray
    """uint8 [S]: place in the caller's list of groups; `OTHER` for words that only begin a phrase."""
    weights: np.ndarray
    """float32 [S]."""
    begins: np.ndarray
    """bool [S]: whether longer phrases begin with this word."""
    gate: np.ndarray
    """bool [8192]: whether a word whose hash begins with these 13 bits may begin a phrase, for `may_begin`."""


OTHER = 255
_GATE_BITS = 13


@cache
def load_lexicon(name: str, groups: tuple[str, ...]) -> Lexicon:
    """Read `data/<name>.tsv`.

    Raises:
        ValueError: a line is not as described above, or a phrase is there twice.
    """
    entries = read_entries((_DATA / f"{name}.tsv").read_text(encoding="utf-8"), groups)
    size = 1 << (4 * len(entries)).bit_length()
    table = Lexicon(
        keys=np.zeros(size, np.uint64),
        groups=np.full(size, OTHER, np.uint8),
        weights=np.zeros(size, np.float32),
        begins=np.zeros(size, np.bool_),
        gate=np.zeros(1 << _GATE_BITS, np.bool_),
    )
    for phrase, (group, weight) in entries.items():
        _insert(table, np.frombuffer(phrase.encode(), np.uint8), group, weight)
    return table


def read_entries(text: str, groups: tuple[str, ...]) -> dict[str, tuple[int, float]]:
    """Phrase → place of its group in `groups`, and weight."""
    entries = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or fields[0] not in groups:
            raise ValueError(f"line {number}: not `group<TAB>weight<TAB>phrases` with a group of {', '.join(groups)}")
        entry = groups.index(fields[0]), float(fields[1])
        for part in fields[2].split(","):
            base = part.strip()
            for phrase in (base[:-3], base[:-3] + "s") if base.endswith("(s)") else (base,):
                if not 1 <= len(phrase.split()) <= LONGEST_PHRASE:
                    raise ValueError(f"line {number}: `{phrase}` has not one to {LONGEST_PHRASE} words")
                if phrase in entries:
                    raise ValueError(f"line {number}: `{phrase}` is there already")
                entries[phrase] = entry
    return entries


@kernel()
def _insert(table, phrase, group, weight):
    stop = 0
    while stop < len(phrase) and phrase[stop] != 32:
        stop += 1
    key = hash_word(phrase, 0, stop)
    place = _place(table.keys, key)
    table.keys[place] = key
    table.begins[place] |= stop < len(phrase)
    table.gate[key >> np.uint64(64 - _GATE_BITS)] = True
    while stop < len(phrase):
        start = stop + 1
        stop = start
        while stop < len(phrase) and phrase[stop] != 32:
            stop += 1
        key = join(key, hash_word(phrase, start, stop))
        place = _place(table.keys, key)
    table.keys[place] = key
    table.groups[place] = group
    table.weights[place] = weight


@kernel(inline="always")
def _place(keys, key):
    """Where a key is, or where it would go."""
    mask = np.uint64(len(keys) - 1)
    place = (key >> np.uint64(20)) & mask
    while keys[place] != 0 and keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return np.int64(place)


@kernel(inline="always")
def may_begin(gate, word):
    """Whether a phrase may begin with a word, by `Lexicon.gate`: most words need no more than this."""
    return gate[word >> np.uint64(64 - _GATE_BITS)]


@kernel(inline="always")
def look_up(keys, key):
    """Place of a word or phrase, -1 if it is not in the table."""
    place = _place(keys, key)
    return place if keys[place] == key else -1


@kernel(inline="always")
def longest_match(lexicon, hashes, i, stop):
    """The longest phrase that begins at word `i` of `hashes[:stop]`: its place (-1 if there is none) and its words."""
    word = hashes[i]
    keys = lexicon.keys
    place = look_up(keys, word)
    if place < 0 or not lexicon.begins[place]:
        return place, 1
    if i + 1 < stop:
        two = join(word, hashes[i + 1])
        if i + 2 < stop:
            found = look_up(keys, join(two, hashes[i + 2]))
            if found >= 0:
                return found, 3
        found = look_up(keys, two)
        if found >= 0:
            return found, 2
    return place if lexicon.groups[place] != OTHER else -1, 1
