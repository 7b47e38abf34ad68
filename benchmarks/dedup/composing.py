"""Distinct prompts: a subject, and mostly a tail of style that many others share."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from benchmarks.dedup.words import frequent_tags, known_words, subject, subject_key, vocabulary, words_of

_TAGS, _TAILS = 400, 300
_VOWELS = "aeiou"


class Composer:
    """Prompts by number: the same seed, texts and number give the same prompt, in any order of asking.

    Args:
        seed: of everything.
        texts: real prompts. Of those with one subject the first is used, at most once, and pieces of them in composed
            prompts.
    """

    def __init__(self, seed: int, texts: Sequence[str] = ()) -> None:
        choose = random.Random(f"{seed} tails")
        self._words = words = vocabulary()
        composed = [f"{first} {second}" for first in words["tag_first"] for second in words["tag_second"]]
        self.tags = choose.sample(composed, _TAGS - len(words["tags"])) + words["tags"]
        choose.shuffle(self.tags)
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(len(self.tags))))
        self._tails = [self._tail(choose, choose.randint(4, 12)) for _ in range(_TAILS)]
        self._tail_weights = list(accumulate(1 / (rank + 4) for rank in range(_TAILS)))
        self._real = _usable(texts)
        choose.shuffle(self._real)
        self._pieces = [piece for piece in map(subject, self._real) if 2 <= len(piece.split()) <= 8]
        self.known_tags = frozenset(tag.lower() for tag in self.tags) | frequent_tags(texts)
        self.known_words = known_words() | {word for text in self._real for word in words_of(text)}
        self._seed = seed
        forms: list[tuple[float, Callable[[random.Random], str]]] = [
            (18, self._somewhere),
            (20, self._two_things),
            (8, self._counted),
            (10, self._with_or_without),
            (9, self._somebody),
            (11, self._busy),
            (5, self._keywords),
            (4, self._question),
            (5, self._sentence),
            (4, self._long),
            (2.5, self._short),
            (0.5, self._one_word),
            (3, self._foreign),
            (20 if self._pieces else 0, self._real_pieces),
        ]
        self._forms = [form for _, form in forms]
        self._form_weights = list(accumulate(weight for weight, _ in forms))

    def prompt(self, number: int) -> str:
        """The prompt of a number; every second one of the first is a real text, while there are any."""
        choose = random.Random((self._seed << 72) + number)
        if number % 2 == 0 and number // 2 < len(self._real):
            text = self._real[number // 2]
            return text if "," in text or choose.random() < 0.7 else f"{text}, {self._any_tail(choose)}"
        form = self._forms[bisect(self._form_weights, choose.random() * self._form_weights[-1])]
        text = form(choose)
        if form in (self._question, self._sentence, self._one_word, self._foreign) or choose.random() < 0.25:
            return text
        return f"{text}, {self._any_tail(choose)}"

    def _any_tail(self, choose: random.Random) -> str:
        if choose.random() < 0.45:
            return self._tails[bisect(self._tail_weights, choose.random() * self._tail_weights[-1])]
        return self._tail(choose, choose.randint(1, 8))

    def _tail(self, choose: random.Random, count: int) -> str:
        total, tags = self._weights[-1], self.tags
        return ", ".join(dict.fromkeys(tags[bisect(self._weights, choose.random() * total)] for _ in range(count)))

    def tag(self, choose: random.Random) -> str:
        """One tag, popular ones more often."""
        return self.tags[bisect(self._weights, choose.random() * self._weights[-1])]

    def _quality(self, choose: random.Random) -> str:
        words, which = self._words, choose.random()
        return _one(words["colours" if which < 0.45 else "materials" if which < 0.85 else "sizes"], choose)

    def _thing(self, choose: random.Random, many: bool = False) -> str:
        words = self._words
        thing = _one(words["animals" if choose.random() < 0.3 else "objects"], choose)
        parts = [_one(words["looks"], choose)] if choose.random() < 0.6 else []
        parts += [self._quality(choose), thing]
        return " ".join([*parts[:-1], _plural(thing)]) if many else _with_article(" ".join(parts))

    def _somewhere(self, choose: random.Random) -> str:
        return f"{self._thing(choose)} {_one(self._words['places'], choose)}"

    def _two_things(self, choose: random.Random) -> str:
        return f"{self._thing(choose)} {_one(self._words['relations'], choose)} {self._thing(choose)}"

    def _counted(self, choose: random.Random) -> str:
        things = f"{_one(self._words['numbers'], choose)} {self._thing(choose, many=True)}"
        return f"{things} {_one(self._words['places'], choose)}"

    def _with_or_without(self, choose: random.Random) -> str:
        return f"{self._thing(choose)} {choose.choice(('with', 'with', 'without'))} {self._thing(choose)}"

    def _name(self, choose: random.Random) -> str:
        return f"{_one(self._words['first_names'], choose)} {_one(self._words['last_names'], choose)}"

    def _somebody(self, choose: random.Random) -> str:
        if choose.random() < 0.5:
            frame = choose.choice(self._words["frames"]["portrait"])
            return frame.format(self._name(choose), _one(self._words["places"], choose))
        role = _with_article(_one(self._words["roles"], choose))
        return f"{self._name(choose)} as {role} {_one(self._words['actions'], choose)}"

    def _busy(self, choose: random.Random) -> str:
        who = _with_article(f"{_one(self._words['looks'], choose)} {_one(self._words['roles'], choose)}")
        if choose.random() < 0.5:
            return f"{who} {_one(self._words['actions'], choose)} {_one(self._words['places'], choose)}"
        return f"{who} {_one(self._words['relations'], choose)} {self._thing(choose)}"

    def _keywords(self, choose: random.Random) -> str:
        one, other = self._thing(choose).split(" ", 1)[1], self._thing(choose).split(" ", 1)[1]
        return f"{one} {other}"

    def _question(self, choose: random.Random) -> str:
        frame = choose.choice(self._words["frames"]["question"])
        return frame.format(self._thing(choose), _one(self._words["places"], choose))

    def _sentence(self, choose: random.Random) -> str:
        frame = choose.choice(self._words["frames"]["sentence"])
        return frame.format(self._thing(choose), _one(self._words["places"], choose))

    def _long(self, choose: random.Random) -> str:
        first, second = self._two_things(choose), self._thing(choose)
        return f"{first} {_one(self._words['places'], choose)} while {second} is {_one(self._words['actions'], choose)}"

    def _short(self, choose: random.Random) -> str:
        return self._thing(choose)

    def _one_word(self, choose: random.Random) -> str:
        return _one(self._words[choose.choice(("animals", "objects", "roles"))], choose)

    def _foreign(self, choose: random.Random) -> str:
        words = choose.choice(self._words["languages"])
        one, other, look, second, place = (
            _one(words[part], choose) for part in ("things", "things", "looks", "looks", "places")
        )
        join = words["join"][0]
        if ord(join[0]) > 0x3000:  # without spaces, what things are like comes first
            return f"{place}{look}{one}{join}{second}{other}"
        return f"{one} {look} {join} {other} {second} {place}"

    def _real_pieces(self, choose: random.Random) -> str:
        first, second = _one(self._pieces, choose), _one(self._pieces, choose)
        return f"{first} {_one(self._words['relations'], choose)} {second}"


def _usable(texts: Sequence[str]) -> list[str]:
    """Texts of one line without wrappers or parameters, the first of each subject."""
    seen: set[int] = set()
    kept = []
    for text in texts:
        tidy = " ".join(text.split())
        if not 1 <= len(tidy.split()) <= 60 or any(mark in tidy for mark in ("--", "—", "<", "**", "http", "::")):
            continue
        key = subject_key(tidy)
        if words_of(subject(tidy)) and key not in seen:
            seen.add(key)
            kept.append(tidy)
    return kept


def _one(words: Sequence[str], choose: random.Random) -> str:
    return words[int(choose.random() * len(words))]


def _with_article(text: str) -> str:
    return f"{'an' if text[0] in _VOWELS and not text.startswith(('one', 'uni')) else 'a'} {text}"


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in _VOWELS else f"{word}s"
