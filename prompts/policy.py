"""Which prepared rows a corpus does not want, before any is compared with another."""

from collections.abc import Sequence

import polars as pl

from prompts.clean import normalise_texts, prompt_ids
from prompts.config import CorpusConfig, SourceConfig
from prompts.rows import refuse
from prompts.scores.policy import refuse_outside

EVALUATION_TEXT = "evaluation_text"


class Policy:
    """What a recipe asks of single rows: limits of scores, languages, and not to be an evaluation prompt.

    Args:
        config: of the corpus.
        sources: of the corpus, with what the catalogue says of them: each may have its own limits.
        evaluation: prompts that must not be in the corpus.
    """

    def __init__(self, config: CorpusConfig, sources: Sequence[SourceConfig], evaluation: Sequence[str]) -> None:
        self._filters = [config.filters_of(source) for source in sources]
        self._languages = config.languages
        self._evaluation = pl.Series(evaluation, dtype=pl.String)
        self._held_out = prompt_ids(normalise_texts(self._evaluation))

    def columns(self, source: int) -> list[str]:
        """What rows of a source have to have to be looked at."""
        return ["reason", "detail", "id", "language", *(f"score_{name}" for name, _ in self._filters[source].active())]

    def refuse(self, rows: pl.DataFrame, source: int) -> pl.DataFrame:
        """Write `reason` and `detail` on good rows that are not wanted."""
        rows = refuse_outside(rows, self._filters[source])
        if self._languages is not None:
            other = ~pl.col("language").is_in([*self._languages, "und"])
            rows = rows.with_columns(refuse(other, "language", pl.col("language")))
        if self._evaluation.is_empty():
            return rows
        which = pl.col("id").replace_strict(self._held_out, self._evaluation, default=None, return_dtype=pl.String)
        return rows.with_columns(refuse(pl.col("id").is_in(self._held_out.implode()), EVALUATION_TEXT, which))
