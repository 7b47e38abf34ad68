"""The words that prompts are made of, and when two prompts count as having one subject."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

ARTICLES = frozenset({"a", "an", "the"})
STOP_WORDS = frozenset({"of", "in", "on", "at", "by", "to", "with", "and", "is", "for", "from"})
_WORD = re.compile(r"\w+")
_GREY = {"gray": "grey", "gold": "golden"}


@cache
def vocabulary() -> Mapping[str, Any]:
    """Lists of words by name; `frames` and `languages` have parts."""
    read = yaml.safe_load(Path(__file__).with_name("vocabulary.yaml").read_text(encoding="utf-8"))
    parts = {name: value.split(", ") for name, value in read.items() if isinstance(value, str)}
    languages = [{part: text.split(", ") for part, text in one.items()} for one in read["languages"]]
    return {**parts, "frames": read["frames"], "languages": languages, "sizes": parts["small"] + parts["large"]}


@cache
def known_words() -> frozenset[str]:
    """Every word of the vocabulary, one or many."""
    words = vocabulary()
    lists = [value for name, value in words.items() if name not in ("frames", "languages")]
    lists += [part for one in words["languages"] for part in one.values()]
    found = {word for texts in lists for text in texts for word in words_of(text)}
    return frozenset(found | {f"{word}s" for word in found})


@cache
def meanings() -> dict[str, tuple[str, list[str]]]:
    """Word → what kind of meaning it has, and the words that mean something else in its place."""
    words = vocabulary()
    numbers = words["numbers"]
    kinds = {
        "colour": words["colours"],
        "material": words["materials"],
        "animal": words["animals"],
        "object": [word for word in words["objects"] if " " not in word],
        "number": [word for word in numbers if word.isalpha()],
        "digit": [word for word in numbers if word.isdigit()],
        "name": words["first_names"] + words["last_names"],
        "negation": ["with", "without"],
    }
    table: dict[str, tuple[str, list[str]]] = {}
    for kind, group in kinds.items():
        # A surname stands for a surname.
        for members in (words["first_names"], words["last_names"]) if kind == "name" else (group,):
            for word in members:
                table[word.lower()] = ("number" if kind == "digit" else kind, [one for one in members if one != word])
    # Huge is not another thing than enormous.
    table |= dict.fromkeys(words["small"], ("size", words["large"]))
    table |= dict.fromkeys(words["large"], ("size", words["small"]))
    return table


def words_of(text: str) -> list[str]:
    """Words in lower case, in order, without punctuation."""
    return _WORD.findall(text.lower())


def subject(text: str) -> str:
    """What comes before the first comma."""
    return text.partition(",")[0]


def subject_key(text: str) -> int:
    """64 bits that two prompts share when their subjects have the same words of content, in any order."""
    found = {_GREY.get(word, word) for word in words_of(subject(text))} - ARTICLES - STOP_WORDS
    return digest(" ".join(sorted(found)))


def digest(text: str) -> int:
    """64 bits of a text, the same on any machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def frequent_tags(texts: Sequence[str], least: int = 3) -> set[str]:
    """What real prompts have after their first comma at least so often."""
    counts: dict[str, int] = {}
    for text in texts:
        for part in text.split(",")[1:]:
            tag = part.strip().lower()
            if tag:
                counts[tag] = counts.get(tag, 0) + 1
    return {tag for tag, count in counts.items() if count >= least}
