"""How surely a prompt is about nothing that has a shape: posters, logos, text, patterns, views, moods, mere style.

What a prompt is about is the head of its first noun phrase. English heads come last, so it is looked for before the
first comma, `of`, preposition or verb: `a vintage poster of a cat` is a poster. Words that say how something is shown
are transparent: `a photo of a cat` and `cat, oil painting` are cats, and a prompt of such words alone is about
nothing. An unknown head is taken for an object, in any language: this score would rather miss than accuse.
"""

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.scores.lexicon import load_lexicon, longest_match, may_begin
from prompts.scores.word_hash import SEED, finish, grow
from prompts.strings import strings_of

_GROUPS = ("flat", "aside", "place", "mood", "style", "medium", "skip", "det", "open", "stop")
_FLAT, _ASIDE, _PLACE, _MOOD, _STYLE, _MEDIUM, _SKIP, _DET, _OPEN, _STOP = range(len(_GROUPS))

_NO_LETTERS = 1.0
_ONLY_STYLE = 0.97
_NO_HEAD = 0.6
"""There are words of which none is the head: `by the river`."""
_LATER = 0.5
"""How much a flat head of a later phrase tells: `cat, poster`."""
_BESIDE = 0.3
"""How much a flat word before the head tells: `poster cat`."""
_WITH_OBJECT = 0.6
"""What is left of a place, a mood or a background when another phrase has an object: `sunset, a castle`."""


def shapeless(rows: pl.DataFrame) -> pl.Series:
    """Evidence in `text`, in [0, 1]: 0 an object, about 0.5 a place or an icon, above 0.9 nothing to model."""
    return pl.Series(_score(*strings_of(rows["text"]), load_lexicon("shapeless", _GROUPS)), dtype=pl.Float32)


def _roles() -> np.ndarray:
    """What a byte does: part of a word (its lower case), or 0 between words, or 1 between phrases."""
    roles = np.zeros(256, dtype=np.uint8)
    for byte in range(128, 256):
        roles[byte] = byte
    for letter in "abcdefghijklmnopqrstuvwxyz0123456789":
        roles[ord(letter)] = roles[ord(letter.upper())] = ord(letter)
    for mark in ",;:.!?|/()[]{}\n":
        roles[ord(mark)] = 1
    return roles


_ROLE = _roles()


@kernel()
def _score(data, offsets, lexicon):
    rows = len(offsets) - 1
    scores = np.zeros(rows, dtype=np.float32)
    longest = 1
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, dtype=np.uint64)
    is_number = np.empty(longest + 1, dtype=np.bool_)
    for row in range(rows):
        scores[row] = _score_row(data, offsets[row], offsets[row + 1], lexicon, hashes, is_number)
    return scores


@kernel()
def _score_row(data, start, stop, lexicon, hashes, is_number):
    words = 0  # of the phrase so far
    size = digits = 0  # of the word so far
    state = SEED
    main = -1.0
    main_group = _OBJECT
    later = 0.0
    letters = unknown = objects = False
    for i in range(start, stop + 1):
        role = _ROLE[data[i]] if i < stop else 1
        if role > 1:
            state = grow(state, role)
            size += 1
            digits += role < 58
            continue
        if size:
            hashes[words] = finish(state)
            is_number[words] = digits == size
            letters |= digits < size
            words += 1
            state = SEED
            size = digits = 0
        if role == 1 and words:
            group, head, flat = _read_phrase(lexicon, hashes, is_number, words)
            words = 0
            unknown |= group == _LOST
            if head < 0:
                continue
            if main < 0:
                main, main_group = max(head, _BESIDE * flat), group
            elif group == _FLAT:
                later = max(later, head)
            objects |= group == _OBJECT
    if not letters:
        return _NO_LETTERS
    if main < 0:
        return _NO_HEAD if unknown else _ONLY_STYLE
    if objects and main_group > _FLAT:
        main *= _WITH_OBJECT
    return max(main, _LATER * later)


_OBJECT, _NONE, _LOST = -1, -2, -3


@kernel()
def _read_phrase(lexicon, hashes, is_number, words):
    """The words between two commas.

    Returns:
        group of the head: one of the lexicon's, `_OBJECT`, `_NONE`, or `_LOST` where words follow that are none; its
        weight, -1 if there is none; the greatest weight of a flat word up to it.
    """
    group = group_before = _NONE
    head = before = -1.0
    flat = 0.0
    last_is_head = lost = ends_in_medium = False
    gate = lexicon.gate
    i = 0
    while i < words:
        place, length = -1, 1
        if may_begin(gate, hashes[i]):
            place, length = longest_match(lexicon, hashes, i, words)
        kind = np.int64(lexicon.groups[place]) if place >= 0 else _OBJECT
        if kind >= _DET:
            if head < 0 and ends_in_medium:
                group, head = _OBJECT, 0.0
            if head >= 0:
                if kind == _DET and last_is_head and before >= 0:
                    group, head = group_before, before  # what stands before an article was a verb
                break
            lost |= kind == _STOP
            last_is_head = False
        elif kind <= _MOOD and not (kind == _OBJECT and is_number[i]):
            if lost:
                return _LOST, -1.0, 0.0
            group_before, before = group, head
            last_is_head = True
            group = kind
            head = lexicon.weights[place] if kind >= 0 else 0.0
            if kind == _FLAT:
                flat = max(flat, head)
        else:
            last_is_head = False
        ends_in_medium = kind == _MEDIUM
        i += length
    if head < 0 and ends_in_medium and not lost:
        return _OBJECT, 0.0, flat
    return group, head, flat
