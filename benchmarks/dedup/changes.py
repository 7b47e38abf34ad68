"""Small changes that leave a prompt what it is; None where one has no place."""

import random
import re
import string
from collections.abc import Callable, Collection

from benchmarks.dedup.words import ARTICLES, STOP_WORDS, meanings, vocabulary, words_of

Change = Callable[[str, random.Random], str | None]

_ENGLISH = ARTICLES | STOP_WORDS - {"is"}
_COUNTED = frozenset(vocabulary()["tag_counted"])
_SENTENCE = frozenset({"i", "show", "imagine", "there", "can", "what", "how", "why"})
"""First words before which no article stands."""
_LAST_WITHOUT_IDEOGRAMS = 0x052F
_UNIT = re.compile(r"\b(\d+) ?(k|mm|d)\b")
_APART = {apart.replace(" ", ""): apart for apart in vocabulary()["compounds"]}
_COMPOUND = re.compile(r"\b(" + "|".join([*_APART, *_APART.values()]) + ")")


def near_changes(
    tag: Callable[[random.Random], str], known_tags: Collection[str], known_words: Collection[str]
) -> dict[str, Change]:
    """Kind of near-duplicate → how one is made.

    Args:
        tag: draws a tag of style to add.
        known_tags: in small letters; what may be dropped.
        known_words: in small letters; a slip of the pen must not make another of them.
    """

    def tag_added(text: str, choose: random.Random) -> str | None:
        added, parts = tag(choose), text.split(", ")
        if len(text.split()) < 4 or text.endswith("?") or added in parts:
            return None
        parts.insert(choose.randint(1, len(parts)), added)
        return ", ".join(parts)

    def tags_of(text: str) -> tuple[list[str], list[int]]:
        parts = text.split(", ")
        return parts, [place for place in range(1, len(parts)) if parts[place].lower() in known_tags]

    def tag_dropped(text: str, choose: random.Random) -> str | None:
        parts, places = tags_of(text)
        if len(places) < 2:
            return None
        parts.pop(choose.choice(places))
        return ", ".join(parts)

    def tag_plural(text: str, choose: random.Random) -> str | None:
        parts, places = tags_of(text)
        places = [place for place in places if parts[place].split(" ")[-1].removesuffix("s") in _COUNTED]
        if not places:
            return None
        place = choose.choice(places)
        parts[place] = parts[place][:-1] if parts[place].endswith("s") else f"{parts[place]}s"
        return ", ".join(parts)

    slips: dict[str, Change] = {f"typo {name}": _slip(make, known_words) for name, make in _SLIPS.items()}
    return slips | {
        "tag added": tag_added,
        "tag dropped": tag_dropped,
        "tag plural": tag_plural,
        "article added": _article_added,
        "article dropped": _article_dropped,
        "article changed": _article_changed,
        "stop word dropped": _stop_word_dropped,
        "words swapped": _words_swapped,
        "segments swapped": _segments_swapped,
        "unit spaced": _unit_spaced,
        "word split": _word_split,
    }


_SLIPS: dict[str, Callable[[str, int, str], str]] = {
    "insert": lambda word, at, letter: word[: at + 1] + letter + word[at + 1 :],
    "delete": lambda word, at, letter: word[: at + 1] + word[at + 2 :],
    "replace": lambda word, at, letter: word[: at + 1] + letter + word[at + 2 :],
    "transpose": lambda word, at, letter: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    "double": lambda word, at, letter: word[: at + 1] + word[at:],
}
"""A slip of the pen in a word, at a place before its last letter."""


def _slip(make: Callable[[str, int, str], str], known_words: Collection[str]) -> Change:
    def change(text: str, choose: random.Random) -> str | None:
        words = text.split(" ")
        place = choose.randrange(len(words))
        bare = words[place].rstrip(",?")
        if len(bare) < 4 or not bare.isalpha() or ord(max(bare)) > _LAST_WITHOUT_IDEOGRAMS:
            return None
        letters = string.ascii_lowercase if bare.isascii() else "".join(filter(str.isalpha, text.lower()))
        if make is _SLIPS["delete"]:
            # At its end or out of a short word, what is left is often another word: moss of mossy.
            if len(bare) < 5:
                return None
            at = choose.randrange(len(bare) - 2)
        else:
            at = choose.randrange(len(bare) - 1)
        slipped = make(bare, at, choose.choice(letters))
        # Another word would be another prompt.
        if slipped.lower() == bare.lower() or slipped.lower() in known_words:
            return None
        words[place] = slipped + words[place][len(bare) :]
        return " ".join(words)

    return change


def _article_added(text: str, choose: random.Random) -> str | None:
    first = text.split(" ", 1)[0].lower()
    if not _is_english(text) or first in ARTICLES | _SENTENCE or first in meanings() or not first.isalpha():
        return None
    return f"{choose.choice(('the', 'the', 'an' if first[0] in 'aeiou' else 'a'))} {text}"


def _article_dropped(text: str, choose: random.Random) -> str | None:
    return _at_one_of(text, ARTICLES, choose, lambda word: None)


def _article_changed(text: str, choose: random.Random) -> str | None:
    return _at_one_of(text, ARTICLES, choose, lambda word: "a" if word == "the" else "the")


def _stop_word_dropped(text: str, choose: random.Random) -> str | None:
    return _at_one_of(text, STOP_WORDS, choose, lambda word: None)


def _at_one_of(
    text: str, group: Collection[str], choose: random.Random, instead: Callable[[str], str | None]
) -> str | None:
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if word in group]
    if not places or len(words) < 3 or not _is_english(text):
        return None
    place = choose.choice(places)
    new = instead(words[place])
    words[place : place + 1] = [new] if new else []
    return " ".join(words)


def _words_swapped(text: str, choose: random.Random) -> str | None:
    """Two words beside each other, of which one at most has a meaning that belongs to another thing."""
    words = text.split(" ")
    if len(words) < 4:
        return None
    place = choose.randrange(len(words) - 1)
    one, other = words[place : place + 2]
    if not (one.isalpha() and other.isalpha()) or one == other or {one, other} & {"with", "without"}:
        return None
    if one.lower() in meanings() and other.lower() in meanings():
        return None
    words[place], words[place + 1] = other, one
    return " ".join(words)


def _segments_swapped(text: str, choose: random.Random) -> str | None:
    parts = text.split(", ")
    if len(parts) < 3:
        return None
    one, other = choose.sample(range(len(parts)), 2)
    parts[one], parts[other] = parts[other], parts[one]
    return ", ".join(parts)


def _unit_spaced(text: str, choose: random.Random) -> str | None:
    """`8k` as `8 k` or back."""
    found = _UNIT.search(text)
    if not found:
        return None
    number, unit = found.groups()
    blank = "" if " " in found[0] else " "
    return f"{text[: found.start()]}{number}{blank}{unit}{text[found.end() :]}"


def _word_split(text: str, choose: random.Random) -> str | None:
    """`teapot` as `tea pot` or back."""
    found = _COMPOUND.search(text)
    if not found:
        return None
    old = found[0]
    return text.replace(old, old.replace(" ", "") if " " in old else _APART[old], 1)


def _is_english(text: str) -> bool:
    return text.isascii() and not _ENGLISH.isdisjoint(words_of(text))
