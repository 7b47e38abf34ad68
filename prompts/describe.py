"""What can be said of each row alone: cleaned, named, scored."""

from collections.abc import Sequence

import polars as pl

from prompts.clean import clean_texts, has_personal_data, normalise_texts, prompt_ids, redact_texts
from prompts.language import guess_languages
from prompts.rows import LONGEST_KEPT, SCHEMA, refuse
from prompts.scores.policy import add_scores


def describe(rows: pl.DataFrame, scores: Sequence[str]) -> pl.DataFrame:
    """Clean one batch and say what can be said of each row alone; refused rows are only redacted.

    Args:
        rows: columns of `rows.SCHEMA`.
        scores: names of `prompts.scores`.

    Returns:
        `rows.SCHEMA` and `id` (UInt64, of the normalised text; null of refused rows), `language`, `flags`,
        `parameters`, `score_…`; and by which one of several equal rows is chosen: `noise`, how much was taken out or
        shouted, and `raw`, a hash of the text as it was read.
    """
    refused = rows["reason"].is_not_null()
    broken = rows.filter(refused).with_columns(redact_texts(rows["text"].filter(refused).str.slice(0, LONGEST_KEPT)))
    raw = rows.filter(~refused)
    cleaned = clean_texts(raw["text"])
    keys = normalise_texts(cleaned["text"])
    good = raw.with_columns(
        *cleaned.get_columns(),
        key=keys,
        id=prompt_ids(keys),
        language=guess_languages(keys),
        raw=prompt_ids(raw["text"]),
        noise=(cleaned["flags"].list.len() * 1000 + cleaned["text"].str.count_matches(r"[A-Z]")).cast(pl.UInt32),
    )
    good = good.with_columns(refuse(~pl.col("key").str.contains(r"[\p{L}\p{N}]"), "empty"))
    good = good.with_columns(refuse(has_personal_data(pl.col("text")), "personal_data"))
    good = good.with_columns(pl.when(pl.col("reason").is_null()).then("id"))
    good = add_scores(good, list(scores)).drop("key")
    # Whatever the rules have missed must not be kept as a refused row either.
    hidden = pl.when(pl.col("reason") == "personal_data").then(None).otherwise("text").alias("text")
    return pl.concat([good.with_columns(hidden), broken], how="diagonal").sort("source_row")


def no_rows(scores: Sequence[str]) -> pl.DataFrame:
    """The columns of `describe`."""
    return describe(pl.DataFrame(schema=SCHEMA), scores)
