"""Every scorer, one line each. Nothing heavy is imported before a scorer is called."""

from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Scorer:
    """One number per row. Its function has the scorer's name and lives in the module of that name beside this one."""

    name: str
    unit: str
    low: float
    high: float
    """Scores lie in [low, high]."""
    meaning: str
    """What a high score says of a prompt."""
    reads: tuple[str, ...]
    """Columns of the rows: `text` (clean text) or `key` (normalised text)."""

    def __call__(self, rows: "pl.DataFrame") -> "pl.Series":
        """Scores of `rows`, as Float32 or Int32, without nulls; a null text counts as an empty one."""
        function = getattr(import_module(f"prompts.scores.{self.name}"), self.name)
        return function(rows).rename(self.name)


SCORERS: dict[str, Scorer] = {
    scorer.name: scorer
    for scorer in (
        Scorer("n_words", "words", 0, inf, "a long text", ("text",)),
        Scorer("clip_tokens", "CLIP tokens, start and end included", 2, inf, "CLIP reads 77 and cuts", ("text",)),
        Scorer("gibberish", "share of letters and digits", 0, 1, "keyboard mashing, hashes, encoded data", ("key",)),
        Scorer("repetition", "share of words", 0, 1, "the same words again and again", ("key",)),
        Scorer("unsafe", "weight of evidence", 0, 1, "sexual, hateful or gory words", ("key",)),
        Scorer("shapeless", "weight of evidence", 0, 1, "no object or scene with a shape of its own", ("text",)),
    )
}
