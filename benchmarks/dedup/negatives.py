"""Changes that make another prompt of one, however few letters they touch."""

import random
from collections.abc import Callable

from benchmarks.dedup.words import meanings, subject, vocabulary

LEAST_TAGS = 4
"""Of a tail that is long enough to drown its subject."""

REPLACED = ("colour", "material", "size", "animal", "object", "number", "name", "negation")


def hard_negatives(prompt: Callable[[int], str]) -> dict[str, Callable[[str, random.Random], str | None]]:
    """Kind of hard negative → how one is made of a prompt; None where it has no place.

    Args:
        prompt: the prompt of a number, of which none below 2⁴⁰ is in the corpus.
    """

    def another_subject(text: str, choose: random.Random) -> str | None:
        head, *tail = text.split(", ")
        if len(tail) < LEAST_TAGS:
            return None
        new = subject(prompt(2**40 + 1 + choose.getrandbits(40)))
        if new.endswith("?") or abs(len(new.split()) - len(head.split())) > 2:
            return None
        return ", ".join([new, *tail])

    kinds: dict[str, Callable[[str, random.Random], str | None]] = {kind: _replacing(kind) for kind in REPLACED}
    return kinds | {"exchanged": _exchanged, "subject": another_subject}


def _replacing(kind: str) -> Callable[[str, random.Random], str | None]:
    def change(text: str, choose: random.Random) -> str | None:
        words, table = text.split(" "), meanings()
        # Of the subject only; a word of a longer name (lunar lander) is not the thing itself.
        count = len(subject(text).split(" "))
        bare = [word.rstrip(",?") for word in words[:count]]
        places = [place for place, word in enumerate(bare) if table.get(word.lower(), ("",))[0] == kind]
        places = [place for place in places if "merged" not in bare[:place][-1:]]  # with something
        if not places:
            return None
        place = choose.choice(places)
        old, new = bare[place], choose.choice(table[bare[place].lower()][1])
        if place and bare[place - 1] in ("a", "an"):
            words[place - 1] = "an" if new[0] in "aeiou" else "a"
        words[place] = new + words[place][len(old) :]
        return " ".join(words)

    return change


def _exchanged(text: str, choose: random.Random) -> str | None:
    """The colours or materials of two things, each now the other's."""
    words, count = text.split(" "), len(subject(text).split(" "))
    words_here = {*vocabulary()["colours"], *vocabulary()["materials"]}
    places = [place for place in range(count) if words[place] in words_here]
    if len(places) != 2 or words[places[0]] == words[places[1]]:
        return None
    one, other = places
    # A thing of its own stands after each: an article comes between.
    if not {"a", "an", "the"} & {*words[one + 1 : other]}:
        return None
    words[one], words[other] = words[other], words[one]
    for place in places:
        if words[place - 1] in ("a", "an"):
            words[place - 1] = "an" if words[place][0] in "aeiou" else "a"
    return " ".join(words)
