"""The second pass over all rows: what became of each, and the prompts that stay on their way to their shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from infra.progress import Meter
from prompts.beside import Beside
from prompts.corpus import CLUSTERS, REJECTS
from prompts.dedup.pairs import RULES
from prompts.dedup.split import split_style
from prompts.distinct import Distinct
from prompts.identifiers import as_hex
from prompts.origins import Origins
from prompts.parameters import PARAMETERS
from prompts.policy import Policy
from prompts.prepare import Prepared
from prompts.selection import VERDICTS, Selection
from prompts.shards import Shards, plain
from prompts.sources import Source
from prompts.statistics import Statistics

EXACT = "exact"

_COLUMNS = {
    "prompt_id": pl.String,
    "text": pl.String,
    "subject": pl.String,
    "style": pl.String,
    "parameters": PARAMETERS,
    "source": pl.String,
    "source_row": pl.Int64,
    "licence": pl.String,
    "sources": pl.List(pl.String),
    "licences": pl.List(pl.String),
    "language": pl.String,
    "n_words": pl.Int32,
    "cluster_size": pl.Int32,
    "weight": pl.Float32,
    "flags": pl.List(pl.String),
}
"""Of every corpus; the scores of its recipe follow."""


@dataclass(frozen=True)
class Decided:
    """All that was decided on the rows of a corpus."""

    sources: Sequence[Source]
    prepared: Sequence[Prepared]
    policy: Policy
    distinct: Distinct
    selection: Selection


def write_rows(decided: Decided, scores: Sequence[str], shards: Shards, statistics: Statistics, folder: Path) -> None:
    """Write `clusters.parquet` and `rejects.parquet`, and give the prompts that stay to their shards.

    Args:
        decided: on the rows.
        scores: that the corpus has, `n_words` among them.
        shards: take the prompts.
        statistics: count rows and prompts.
        folder: of the corpus.
    """
    lengths = [prepared.rows for prepared in decided.prepared]
    origins = Origins(decided.sources, lengths, decided.distinct, decided.selection)
    columns = ["source_row", "text", "flags", "parameters", *(f"score_{name}" for name in scores)]
    start = 0
    with (
        _File(folder / CLUSTERS) as clusters,
        _File(folder / REJECTS) as rejects,
        Meter("writing rows", sum(lengths)) as meter,
        Beside() as filing,
        Beside() as keeping,
    ):

        def file(source: Source, rows: pl.DataFrame) -> None:
            clusters.write(_clusters(rows, source))
            rejects.write(_rejects(rows, source))

        def keep(index: int, rows: pl.DataFrame, table: pl.DataFrame) -> None:
            statistics.count(index, rows, table)
            shards.add(table)

        for index, (source, prepared) in enumerate(zip(decided.sources, decided.prepared, strict=True)):
            wanted = list(dict.fromkeys([*decided.policy.columns(index), *columns]))
            for batch in prepared.batches(wanted):
                rows = _with_fate(decided.policy.refuse(batch, index), start, decided)
                filing.do(partial(file, source, rows))
                table = _table(rows.filter("stays"), source, decided.selection, origins, scores)
                keeping.do(partial(keep, index, rows, table))
                start += len(rows)
                meter.reach(start)


def _with_fate(rows: pl.DataFrame, start: int, decided: Decided) -> pl.DataFrame:
    """With `prompt` (-1: none), `kept` (id of the prompt that stands for it), `rule`, `stays`; and the last reasons."""
    distinct, selection = decided.distinct, decided.selection
    prompts = distinct.prompt_of_row[start : start + len(rows)]
    some, good = np.maximum(prompts, 0), prompts >= 0
    verdicts = pl.Series(VERDICTS).gather(selection.verdicts[some])
    details = [selection.details.get(prompt) for prompt in some] if selection.details else None
    kept, first = selection.kept[some], distinct.rows[some] == np.arange(start, start + len(rows))
    stands = good & (kept >= 0)
    rules = pl.Series(["", *RULES.values()]).gather(selection.rules[some])
    refused = pl.Series(good & (kept < 0))
    return rows.with_columns(
        prompt=pl.Series(prompts),
        kept=pl.when(pl.Series(stands)).then(pl.Series(distinct.ids[np.maximum(kept, 0)])),
        stays=pl.Series(stands & first & (kept == some)),
        reason=pl.when(refused).then(verdicts).otherwise("reason"),
        detail=pl.when(refused).then(pl.Series(details, dtype=pl.String) if details else None).otherwise("detail"),
        rule=pl.when(refused)
        .then(verdicts)
        .when(pl.Series(stands & ~first))
        .then(pl.lit(EXACT))
        .when(pl.Series(stands & (selection.rules[some] != 0)))
        .then(rules)
        .otherwise("reason"),
    )


def _clusters(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """What became of every row."""
    return rows.select(
        pl.lit(source.name).alias("source"),
        "source_row",
        prompt_id=_hex(rows["id"]),
        kept_prompt_id=_hex(rows["kept"].cast(pl.UInt64)),
        rule="rule",
    )


def _rejects(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Rows that no prompt of the corpus stands for, with their text and reason."""
    refused = rows.filter(pl.col("reason").is_not_null())
    return refused.select(
        pl.lit(source.name).alias("source"), "source_row", pl.col("text", "reason", "detail").cast(pl.String)
    )


def _table(
    rows: pl.DataFrame, source: Source, selection: Selection, origins: Origins, scores: Sequence[str]
) -> pl.DataFrame:
    """Prompts that stay, with all their columns and `id`."""
    prompts = rows["prompt"].to_numpy()
    parts = split_style(rows["text"], selection.near, selection.places[prompts])
    table = pl.concat([rows, parts, origins.of(prompts)], how="horizontal").with_columns(
        as_hex(rows["id"].to_numpy()).alias("prompt_id"),
        source=pl.lit(source.name),
        n_words="score_n_words",
        cluster_size=pl.Series(selection.sizes[prompts]),
    )
    scored = (pl.col(f"score_{name}") for name in scores if name != "n_words")
    return table.select("id", *(pl.col(name).cast(kind) for name, kind in _COLUMNS.items()), *scored)


def _hex(ids: pl.Series) -> pl.Series:
    digits = as_hex(ids.fill_null(0).to_numpy())
    return digits if ids.null_count() == 0 else pl.select(pl.when(ids.is_not_null()).then(digits)).to_series()


class _File:
    """A Parquet file that is written batch by batch; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pl.DataFrame] = []
        self._bytes = 0.0

    def __enter__(self) -> "_File":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        self._bytes += rows.estimated_size()
        if sum(map(len, self._waiting)) >= _ROW_GROUP or self._bytes >= _MOST_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = plain(pl.concat(self._waiting).to_arrow(compat_level=pl.CompatLevel.oldest()))
        self._waiting.clear()
        self._bytes = 0.0
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, **_WRITTEN)
        self._writer.write_table(table)


_WRITTEN: Any = {
    "compression": "zstd",
    "use_dictionary": ["source", "rule", "reason"],
    "write_statistics": ["source", "source_row"],
}
_ROW_GROUP = 500_000
"""Rows; few large groups are read faster than many small ones."""
_MOST_BYTES = 2**27
