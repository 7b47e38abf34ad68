"""The language of the miniature world: what things there are, what they are called, which are held out.

a red cube
a green sphere with a yellow nose
an orange torus on a blue cylinder
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from infra.errors import InputError

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.08, 0.08),
    "green": (0.10, 0.60, 0.15),
    "blue": (0.10, 0.20, 0.85),
    "yellow": (0.95, 0.85, 0.10),
    "orange": (0.98, 0.50, 0.05),
    "purple": (0.50, 0.10, 0.65),
    "pink": (0.98, 0.55, 0.75),
    "brown": (0.42, 0.24, 0.10),
    "white": (0.95, 0.95, 0.95),
    "grey": (0.50, 0.50, 0.50),
    "black": (0.06, 0.06, 0.06),
    "cyan": (0.10, 0.80, 0.85),
}
"""Names and sRGB values in [0, 1]."""

SOLIDS = ("sphere", "cube", "cylinder", "cone", "torus", "capsule")

_HELD_OUT_ONE_IN = 8
_ALONE, _WITH_NOSE, _STACKED = 16, 3, 1  # times in a lesson: of all in it, 14, 29 and 57 in a hundred
_THING = r"(?:a|an|the)\s+(\w+)\s+(\w+)"
_PROMPT = re.compile(
    rf"\s*{_THING}(?:\s+with\s+(?:a|an|the)\s+(\w+)\s+nose)?(?:\s+on\s+{_THING})?\s*\.?\s*", re.IGNORECASE
)


class Scene(NamedTuple):
    """One object of the world."""

    colour: str
    solid: str
    nose: str | None = None
    """Colour of a mark on its front."""
    below: tuple[str, str] | None = None
    """Colour and solid that it stands on."""

    def __str__(self) -> str:
        text = f"{_article(self.colour)} {self.colour} {self.solid}"
        if self.nose:
            text += f" with {_article(self.nose)} {self.nose} nose"
        if self.below:
            text += f" on {_article(self.below[0])} {' '.join(self.below)}"
        return text

    @property
    def words(self) -> frozenset[str]:
        """What it is called, whatever the arrangement: a red cube on a blue cone has those of a blue cube on a red
        one."""
        return frozenset(str(self).split()) - {"a", "an"}

    @property
    def is_held_out(self) -> bool:
        """True for the eighth of all sets of words that no model and no corpus may learn from.

        No colour and no solid is held out as such, only combinations of them.
        """
        digest = sha256(" ".join(sorted(self.words)).encode()).digest()
        return digest[0] % _HELD_OUT_ONE_IN == 0


def parse(prompt: str) -> Scene:
    """The scene that a prompt describes.

    Raises:
        InputError: the prompt is not of the world's language.
    """
    match = _PROMPT.fullmatch(prompt)
    if match is None:
        raise InputError(
            f"{prompt!r} is not a sentence of the miniature world",
            "say 'a red cube', 'a green sphere with a yellow nose' or 'a red cube on a blue cylinder'",
        )
    colour, solid, nose, below_colour, below_solid = (word and word.lower() for word in match.groups())
    _require(COLOURS, "colour", colour, nose, below_colour)
    _require(SOLIDS, "solid", solid, below_solid)
    if nose and below_colour:
        raise InputError(
            f"{prompt!r}: what stands on something has no nose in this world",
            "ask for the nose without what is below, or for what is below without a nose",
        )
    return Scene(colour, solid, nose, (below_colour, below_solid) if below_colour else None)


def all_scenes() -> Iterator[Scene]:
    """Every object there is, alone, with a nose, and on another; no two parts of the same colour."""
    for colour in COLOURS:
        for solid in SOLIDS:
            yield Scene(colour, solid)
            for other in [name for name in COLOURS if name != colour]:
                yield Scene(colour, solid, nose=other)
                for below in SOLIDS:
                    yield Scene(colour, solid, below=(other, below))


def learnable_scenes() -> list[Scene]:
    """All scenes that are not held out."""
    return [scene for scene in all_scenes() if not scene.is_held_out]


def lesson(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes as often as a model should meet them: few are alone or have a nose, and those take the most practice."""
    return [scene for scene in scenes for _ in range(_STACKED if scene.below else _WITH_NOSE if scene.nose else _ALONE)]


def _require(known: "dict[str, tuple[float, float, float]] | tuple[str, ...]", kind: str, *words: str | None) -> None:
    for word in words:
        if word is not None and word not in known:
            raise InputError(f"the miniature world has no {kind} {word!r}", f"it has {', '.join(known)}")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
