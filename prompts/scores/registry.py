"""Every scorer, one line each. Nothing heavy is imported before a scorer is called."""

from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING

from infra.errors import PRDError

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
        """Scores of `rows`, as Float32 or Int32, without nulls; a null text counts as an empty one.

        Raises:
            PRDError: the function gives something else.
        """
        function = getattr(import_module(f"prompts.scores.{self.name}"), self.name)
        scores = function(rows)
        if wrong := _wrong(scores, len(rows)):
            raise PRDError(
                f"the score `{self.name}` gives {wrong}",
                f"`{self.name}` in prompts/scores/{self.name}.py must give a Float32 or an Int32 for every row",
            )
        return scores.rename(self.name)


def _wrong(scores: "pl.Series", rows: int) -> str | None:
    """What is wrong with what a scorer gave."""
    if not hasattr(scores, "dtype"):
        return f"a {type(scores).__name__} instead of a column"
    if str(scores.dtype) not in ("Float32", "Int32"):
        return f"{scores.dtype}"
    if len(scores) != rows:
        return f"{len(scores)} numbers for {rows} rows"
    if missing := scores.null_count() + (int(scores.is_nan().sum()) if scores.dtype.is_float() else 0):
        return f"no number for {missing} of {rows} rows"
    return None


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
