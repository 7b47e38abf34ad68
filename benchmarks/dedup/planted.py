"""A seeded corpus of short prompts with planted duplicates, near-duplicates and hard negatives.

The words are pieces of our own, wide enough that prompts do not collide by chance; `--texts` mixes in real ones. What
the deduplicator knows of style and subject it has to learn from the result, as it would from real prompts.
"""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import yaml

_WORDS = {
    name: words.split(", ")
    for name, words in yaml.safe_load(Path(__file__).with_name("vocabulary.yaml").read_text(encoding="utf-8")).items()
}
STAND_INS = {
    **{word: _WORDS[kind] for kind in ("colours", "materials", "animals", "objects", "sizes") for word in _WORDS[kind]},
    "one": ["two", "three"],
    "two": ["three", "five"],
    "three": ["two", "four"],
    "with": ["without"],
}
"""Word → those that mean something else in its place."""


class Row(NamedTuple):
    """One row of the corpus and what is true of it."""

    text: str
    cluster: int
    """Rows that are one prompt."""
    kind: str
    """`base`, `hard`, `exact`, or how a near-duplicate was made."""
    origin: int
    """Cluster that a hard negative was made from; else its own."""


def generate(rows: int, seed: int, texts: Sequence[str] = ()) -> list[Row]:
    """About 68 % distinct prompts, 15 % near-duplicates, 15 % exact ones, 2 % hard negatives; shuffled."""
    choose = random.Random(seed)
    bases = _bases(int(rows * 0.68), choose, texts)
    made = [Row(text, cluster, "base", cluster) for cluster, text in enumerate(bases)]
    seen = {_key(text) for text in bases}
    near, hard = int(rows * 0.15), int(rows * 0.02)
    while hard:
        origin = choose.randrange(len(bases))
        text = _other_meaning(bases[origin], choose)
        exchanged = text is not None and _key(text) == _key(bases[origin])
        if text and (exchanged or _key(text) not in seen):
            seen.add(_key(text))
            made.append(Row(text, len(bases) + hard, "hard", origin))
            hard -= 1
    names = list(CHANGES)
    while near:
        origin, kind = choose.randrange(len(bases)), choose.choice(names)
        text = CHANGES[kind](bases[origin], choose)
        if text and _key(text, in_order=True) != _key(bases[origin], in_order=True):
            made.append(Row(text, origin, kind, origin))
            near -= 1
    for _ in range(rows - len(made)):
        origin = made[choose.randrange(len(made))]
        made.append(Row(_rewritten(origin.text, choose), origin.cluster, "exact", origin.origin))
    choose.shuffle(made)
    return made


def write(rows: int, seed: int, folder: Path, texts: Sequence[str] = ()) -> tuple[Path, Path]:
    """`prompts.parquet` with a column `text`, 40 % of it in platform wrappers, and `truth.parquet` (`row` from 1)."""
    made = generate(rows, seed, texts)
    choose = random.Random(seed + 1)
    shown = pl.DataFrame({"text": [_wrapped(row.text, choose) if choose.random() < 0.4 else row.text for row in made]})
    truth = pl.DataFrame(made, schema=list(Row._fields), orient="row").with_row_index("row", offset=1)
    folder.mkdir(parents=True, exist_ok=True)
    shown.write_parquet(folder / "prompts.parquet")
    truth.write_parquet(folder / "truth.parquet")
    return folder / "prompts.parquet", folder / "truth.parquet"


def _bases(count: int, choose: random.Random, texts: Sequence[str]) -> list[str]:
    pool = list(texts)
    choose.shuffle(pool)
    tags = [f"{first} {second}" for first in _WORDS["tag_first"] for second in _WORDS["tag_second"]]
    choose.shuffle(tags)
    weights = [1 / (rank + 3) for rank in range(len(tags))]
    stream: Iterator[str] = iter(pool[: count // 3])
    seen: set[str] = set()
    bases: list[str] = []
    while len(bases) < count:
        text = next(stream, None) or _composed(choose, tags, weights)
        key = _key(text)
        if key and key not in seen:
            seen.add(key)
            bases.append(text)
    return bases


def _composed(choose: random.Random, tags: Sequence[str], weights: Sequence[float]) -> str:
    def thing() -> str:
        words = [choose.choice(_WORDS["looks"])] if choose.random() < 0.6 else []
        words += [choose.choice(choose.choice((_WORDS["colours"], _WORDS["materials"], _WORDS["sizes"])))]
        return " ".join([*words, choose.choice(_WORDS["objects"] if choose.random() < 0.7 else _WORDS["animals"])])

    form = choose.random()
    if form < 0.4:
        subject = f"a {thing()} {choose.choice(_WORDS['places'])}"
    elif form < 0.8:
        subject = f"a {thing()} {choose.choice(('with', 'holding', 'beside', 'on top of', 'next to'))} a {thing()}"
    else:
        subject = (
            f"{choose.choice(('one', 'two', 'three'))} {thing()}s {choose.choice(_WORDS['places'])} with a {thing()}"
        )
    if choose.random() < 0.35:
        return subject
    tail = dict.fromkeys(choose.choices(tags, weights, k=choose.randint(1, 7)))
    return ", ".join([subject, *tail])


def _key(text: str, in_order: bool = False) -> str:
    words = "".join(one if one.isalnum() else " " for one in text.lower()).split()
    return " ".join(words if in_order else sorted({*words} - {"a", "an", "the"}))


def _typo(text: str, choose: random.Random) -> str | None:
    words = text.split()
    places = [place for place, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not places:
        return None
    place = choose.choice(places)
    word, at = words[place], choose.randrange(len(words[place]) - 1)
    letter = choose.choice(string.ascii_lowercase)
    words[place] = choose.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[: at + 1] + word[at:],
        )
    )
    return " ".join(words)


def _tag_added(text: str, choose: random.Random) -> str:
    parts = text.split(",")
    parts.insert(
        choose.randint(1, len(parts)), f" {choose.choice(_WORDS['tag_first'])} {choose.choice(_WORDS['tag_second'])}"
    )
    return ",".join(parts)


def _tag_dropped(text: str, choose: random.Random) -> str | None:
    parts = text.split(",")
    if len(parts) < 3:
        return None
    parts.pop(choose.randrange(1, len(parts)))
    return ",".join(parts)


def _article(text: str, choose: random.Random) -> str:
    words = text.split()
    places = [place for place, word in enumerate(words) if word in ("a", "an", "the")]
    if places and choose.random() < 0.7:
        place = choose.choice(places)
        words[place : place + 1] = ["the"] if words[place] != "the" and choose.random() < 0.4 else []
    else:
        words.insert(0, "the")
    return " ".join(words)


def _stop_word(text: str, choose: random.Random) -> str | None:
    words = text.split()
    places = [place for place, word in enumerate(words) if word in ("of", "in", "on", "with", "at", "by", "to")]
    if not places:
        return None
    words.pop(choose.choice(places))
    return " ".join(words)


def _neighbours(text: str, choose: random.Random) -> str | None:
    words = text.split()
    if len(words) < 3:
        return None
    place = choose.randrange(len(words) - 1)
    words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def _segments(text: str, choose: random.Random) -> str | None:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 3:
        return None
    one, other = choose.sample(range(len(parts)), 2)
    parts[one], parts[other] = parts[other], parts[one]
    return ", ".join(parts)


CHANGES: dict[str, Callable[[str, random.Random], str | None]] = {
    "typo": _typo,
    "tag added": _tag_added,
    "tag dropped": _tag_dropped,
    "article": _article,
    "stop word": _stop_word,
    "words swapped": _neighbours,
    "segments swapped": _segments,
}
"""Kind of near-duplicate → how one is made."""


def _other_meaning(text: str, choose: random.Random) -> str | None:
    """The prompt with one word that means something else, or with the qualities of two things exchanged."""
    words = text.split()
    places = [place for place, word in enumerate(words) if word.strip(",") in STAND_INS]
    if not places:
        return None
    if choose.random() < 0.15:
        qualities = [
            place for place in places if words[place] in _WORDS["colours"] or words[place] in _WORDS["materials"]
        ]
        if len(qualities) < 2 or words[qualities[0]] == words[qualities[1]]:
            return None
        one, other = qualities[:2]
        words[one], words[other] = words[other], words[one]
        return " ".join(words)
    place = choose.choice(places)
    old = words[place].strip(",")
    new = choose.choice([word for word in STAND_INS[old] if word != old])
    words[place] = words[place].replace(old, new)
    return " ".join(words)


def _rewritten(text: str, choose: random.Random) -> str:
    return choose.choice((text, text, text.upper(), text.title(), text.replace(" ", "  ") + ".", f"{text} !"))


def _wrapped(text: str, choose: random.Random) -> str:
    user = f"<@{choose.randrange(10**17, 10**18)}>"
    link = f"<https://s.mj.run/{choose.randrange(10**6)}> " if choose.random() < 0.1 else ""
    start = "/imagine prompt: " if choose.random() < 0.1 else ""
    parameters = choose.choice(("", " --ar 16:9 --v 5", " —ar 2:3", " --q 2 --no text, frames", "::2", " --style raw"))
    tail = choose.choice((f"{user} (fast)", f"Upscaled (Beta) by {user} (relaxed)", f"Image #2 {user}"))
    return f"**{link}{start}{text}{parameters}** - {tail}"
