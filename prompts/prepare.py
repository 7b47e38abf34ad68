"""The first half of a build, source by source: read, clean, name, score. Done once for each content of a source."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from infra.artifacts import finish
from infra.config import digest
from infra.progress import track
from prompts.clean import (
    RULES,
    clean_texts,
    has_personal_data,
    normalise_texts,
    prompt_ids,
    redact_texts,
)
from prompts.language import guess_languages
from prompts.rows import refuse
from prompts.scores.policy import add_scores
from prompts.sources import Source

ROWS = "rows-{}.parquet"
"""One file or several, in the order of their names."""
_FOLDER = ".prepared"
_LONGEST_REFUSED = 2000
"""Characters kept of a row that never parsed."""


def prepare(source: Source, scores: Sequence[str], root: Path) -> Path:
    """Read and describe a source, or find it done.

    Args:
        scores: names of what is to be measured on each row (`prompts.scores`).
        root: folder of all corpora.

    Returns:
        A folder of Parquet files of `describe`'s columns, in the order of the source; `batches` reads it.

    Raises:
        InputError: the source cannot be read.
        BusyError: another run is preparing it.
    """
    inputs = {"source": digest(source.identity()), "rules": str(RULES), "scores": digest(sorted(scores))}
    folder = root / _FOLDER / digest(inputs)[:16]
    finish(folder, kind="prepared source", inputs=inputs, build=partial(_prepare, source, scores))
    return folder


def batches(folder: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of a prepared source, batch by batch, in the order of its rows."""
    import pyarrow.parquet as pq

    for file in sorted(folder.glob(ROWS.format("*"))):
        with pq.ParquetFile(file) as parquet:
            for group in range(parquet.num_row_groups):
                yield pl.DataFrame(parquet.read_row_group(group, columns=list(columns)))


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
    broken = rows.filter(refused).with_columns(
        redact_texts(rows["text"].filter(refused).str.slice(0, _LONGEST_REFUSED))
    )
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


def _prepare(source: Source, scores: Sequence[str], folder: Path) -> Mapping[str, Any]:
    import pyarrow.parquet as pq

    count, writer = 0, None
    try:
        for batch in track(source.batches(), f"reading {source.name} (batches)"):
            table = describe(batch, scores).to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(folder / ROWS.format(0), table.schema, compression="lz4")
            writer.write_table(table.cast(writer.schema))
            count += len(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        _empty(scores).write_parquet(folder / ROWS.format(0))
    return {"source": source.name, "rows": count}


def _empty(scores: Sequence[str]) -> pl.DataFrame:
    from prompts.rows import SCHEMA

    return describe(pl.DataFrame(schema=SCHEMA), scores)
