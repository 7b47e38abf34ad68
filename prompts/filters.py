"""Which rows stay: word limits, languages, no evaluation prompt, and one row of each set of equals."""

from dataclasses import dataclass

import polars as pl

from prompts.clean import clean_texts, has_personal_data, normalise_texts, redact_texts, word_sets
from prompts.config import CorpusConfig
from prompts.language import guess_languages
from prompts.rows import refuse

_LONGEST_REFUSED = 2000
"""Characters kept of a row that never parsed."""

# Scripts without spaces count by character.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
_WORD = rf"[{_UNSPACED}]|[\p{{L}}\p{{N}}][^\s{_UNSPACED}]*"


@dataclass(frozen=True)
class EvaluationKeys:
    """What the corpus must not contain."""

    texts: pl.Series
    """Normalised."""
    words: pl.Series
    """Their `word_sets`."""


def evaluation_keys(prompts: list[str]) -> EvaluationKeys:
    """Keys of evaluation prompts."""
    texts = normalise_texts(pl.Series(prompts, dtype=pl.String)).unique()
    return EvaluationKeys(texts, word_sets(texts).unique())


def describe(rows: pl.DataFrame) -> pl.DataFrame:
    """Clean one batch and add `key`, `flags`, `n_words` and `language`; refused rows are only redacted.

    Args:
        rows: columns of `rows.SCHEMA`.
    """
    refused = rows["reason"].is_not_null()
    texts = rows["text"]
    raw = redact_texts(texts.filter(refused).str.slice(0, _LONGEST_REFUSED))
    cleaned = clean_texts(texts.filter(~refused))
    keys = normalise_texts(cleaned["text"])
    good = rows.filter(~refused).with_columns(
        cleaned["text"],
        cleaned["flags"],
        key=keys,
        n_words=cleaned["text"].str.count_matches(_WORD).cast(pl.Int32),
        language=guess_languages(keys),
    )
    marked = good.with_columns(refuse(pl.col("key") == "", "empty")).with_columns(
        refuse(has_personal_data(pl.col("text")), "personal_data")
    )
    # Whatever the rules have missed must not be kept as a refused row either.
    hidden = pl.when(pl.col("reason") == "personal_data").then(None).otherwise("text").alias("text")
    return pl.concat([marked.with_columns(hidden), rows.filter(refused).with_columns(raw)], how="diagonal").sort(
        "source_row"
    )


def select(rows: pl.DataFrame, config: CorpusConfig, evaluation: EvaluationKeys) -> pl.DataFrame:
    """Write a `reason` on every row that does not stay, and `cluster_size` on all.

    Args:
        rows: described rows of all sources, with a `source` column, in order of precedence.
    """
    rows = rows.with_columns(refuse(pl.col("n_words") < config.min_words, "too_short", _words_detail())).with_columns(
        refuse(pl.col("n_words") > config.max_words, "too_long", _words_detail())
    )
    if config.languages is not None:
        allowed = [*config.languages, "und"]
        rows = rows.with_columns(refuse(~pl.col("language").is_in(allowed), "language", pl.col("language")))
    if len(evaluation.texts):
        same_text = pl.col("key").is_in(evaluation.texts.to_list())
        rows = rows.with_columns(refuse(same_text, "evaluation_text"))
        same_words = word_sets(rows["key"]).is_in(evaluation.words.to_list())
        rows = rows.with_columns(words=same_words).with_columns(refuse(pl.col("words"), "evaluation_words"))
    return _mark_duplicates(rows)


def _mark_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """Only the first row of each key stays; the others say which one that is."""
    rows = rows.with_row_index("order").with_columns(label=pl.concat_str("source", pl.lit(":"), "source_row"))
    firsts = (
        rows.filter(pl.col("reason").is_null())
        .group_by("key")
        .agg(first=pl.col("order").min(), cluster_size=pl.len().cast(pl.Int32))
        .join(rows.select(first="order", winner="label"), on="first")
    )
    rows = rows.join(firsts, on="key", how="left", maintain_order="left")
    return rows.with_columns(refuse(pl.col("order") != pl.col("first"), "duplicate", pl.col("winner")))


def _words_detail() -> pl.Expr:
    return pl.concat_str(pl.col("n_words").cast(pl.String), pl.lit(" words"))
