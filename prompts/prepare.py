"""The first half of a build, source by source: read and described. Done once for each content of a source."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from infra.artifacts import finish
from infra.config import digest
from prompts.clean import RULES
from prompts.engine import ROWS, Engine, Local
from prompts.sources import Source

_FOLDER = ".prepared"


def prepare(source: Source, scores: Sequence[str], root: Path, engine: Engine | None = None) -> Path:
    """Read and describe a source, or find it done.

    Args:
        scores: names of what is to be measured on each row (`prompts.scores`).
        root: folder of all corpora.
        engine: what describes the rows; default this process.

    Returns:
        A folder of Parquet files of `describe`'s columns, in the order of the source; `batches` reads it.

    Raises:
        InputError: the source cannot be read.
        BusyError: another run is preparing it.
    """
    inputs = {"source": digest(source.identity()), "rules": str(RULES), "scores": digest(sorted(scores))}
    folder = root / _FOLDER / digest(inputs)[:16]
    finish(folder, kind="prepared source", inputs=inputs, build=partial(_prepare, source, scores, engine or Local()))
    return folder


def batches(folder: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of a prepared source, batch by batch, in the order of its rows."""
    import pyarrow.parquet as pq

    for file in sorted(folder.glob(ROWS)):
        with pq.ParquetFile(file) as parquet:
            for group in range(parquet.num_row_groups):
                yield pl.DataFrame(parquet.read_row_group(group, columns=list(columns)))


def _prepare(source: Source, scores: Sequence[str], engine: Engine, folder: Path) -> Mapping[str, Any]:
    return {"source": source.name, "rows": engine.describe(source, scores, folder)}
