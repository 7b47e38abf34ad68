"""The one table that goes through the whole stage, and the reasons for which a row is refused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import polars as pl

BATCH_ROWS = 50_000
"""Rows read and cleaned at a time; bounds the memory of a source of any size."""

LONGEST_TEXT = 2**14
"""Characters of a prompt; platforms allow some 6000. What is longer is refused before it is cleaned."""

LONGEST_KEPT = 2000
"""Characters kept of a row that is refused as it was read."""

_BATCH_CHARACTERS = 2**26

SCHEMA = {"source_row": pl.Int64, "text": pl.String, "reason": pl.String, "detail": pl.String}

REASONS = {
    "malformed": "the line does not parse",
    "undecodable": "the bytes are not UTF-8",
    "too_long": "longer than any prompt, or on a line longer than any record",
    "columns": "the number of columns differs from the header's",
    "missing": "the text field is absent or null",
    "not_text": "the text field is no string",
    "empty": "no letter or digit is left after cleaning",
    "personal_data": "something like a user id, a link, an address or a telephone number is left after cleaning",
    "n_words": "more or fewer words than the recipe allows",
    "clip_tokens": "more or fewer tokens of CLIP than the recipe allows",
    "gibberish": "keyboard mashing, hashes, encoded data",
    "repetition": "the same words again and again",
    "unsafe": "words that the recipe does not want",
    "shapeless": "no object or scene with a shape of its own",
    "language": "a language outside `languages`",
    "evaluation_text": "equals an evaluation prompt",
    "evaluation_words": "has the words of an evaluation prompt, in another order or with other function words",
    "evaluation_near": "is a near-duplicate of an evaluation prompt",
    "subject_cap": "one of many prompts of its subject, beyond `subject_cap`",
}
"""Code → meaning, of rows that the corpus has nothing for. A row has at most one: the first that applies."""


def reason_meaning(reason: str) -> str:
    """What a reason means; a filter that was added since goes by its name."""
    return REASONS.get(reason, f"outside the recipe's limits of {reason}")


def in_order(refused: Mapping[str, int]) -> dict[str, int]:
    """Reason → rows, those that are checked first first."""
    known = {reason: refused[reason] for reason in REASONS if reason in refused}
    return known | {reason: refused[reason] for reason in sorted(refused) if reason not in known}


MERGES = {
    "exact": "equals another row: case, punctuation, spacing and what platforms add do not count",
    "function_words": "differs in articles and other small words only",
    "word_order": "has the same words, in an order that means the same",
    "typo": "is misspelt, or the other is",
    "joined_word": "writes as one word what the other writes as two",
    "spelling": "spells a word as others do, `grey` or `gray`, `3` or `three`",
    "style_plural": "has a word of its style in the plural where the other has the singular",
    "style_tag": "has a tag of style, or a small detail, more or less",
}
"""Code → meaning, of rows that another prompt of the corpus stands for."""


class Row(NamedTuple):
    """One row as it was read."""

    number: int
    """1-based: the line of a line-based file, the record of a table."""
    text: str | None
    """The prompt, or what there is of a refused row."""
    reason: str | None = None
    """None for a good row."""
    detail: str | None = None


def text_row(number: int, value: object, field: str | None = None) -> Row:
    """A row whose text may turn out to be null or no string."""
    if isinstance(value, str):
        return Row(number, value)
    if value is None:
        return Row(number, None, "missing", f"`{field}` is null" if field else None)
    return Row(number, str(value), "not_text", f"{type(value).__name__} instead of a string")


def frames(rows: Iterable[Row]) -> Iterator[pl.DataFrame]:
    """Rows as tables of `SCHEMA`, `BATCH_ROWS` at a time, fewer if long. Beyond `LONGEST_TEXT` they are refused."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = len(row.text) if row.text else 0
        if length > LONGEST_TEXT:
            row, length = _shortened(row), LONGEST_KEPT
        batch.append(row)
        size += length
        if len(batch) == BATCH_ROWS or size > _BATCH_CHARACTERS:
            yield _frame(batch)
            batch, size = [], 0
    if batch:
        yield _frame(batch)


def _frame(batch: list[Row]) -> pl.DataFrame:
    try:
        return pl.DataFrame(batch, schema=SCHEMA, orient="row")
    except UnicodeEncodeError:  # half an emoji, which JSON can escape and UTF-8 cannot hold
        whole = [row._replace(text=row.text and row.text.encode(errors="ignore").decode()) for row in batch]
        return pl.DataFrame(whole, schema=SCHEMA, orient="row")


def _shortened(row: Row) -> Row:
    text = row.text or ""
    reason, detail = (row.reason, row.detail) if row.reason else ("too_long", f"{len(text)} characters")
    return Row(row.number, text[:LONGEST_KEPT], reason, detail)


def refuse(condition: pl.Expr, reason: str, detail: pl.Expr | None = None) -> list[pl.Expr]:
    """Columns that mark rows which meet `condition` and were good so far."""
    hit = pl.col("reason").is_null() & condition
    columns = [pl.when(hit).then(pl.lit(reason)).otherwise("reason").alias("reason")]
    if detail is not None:
        columns.append(pl.when(hit).then(detail).otherwise("detail").alias("detail"))
    return columns
