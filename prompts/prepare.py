"""The first half of a build, shard by shard of each source: read and described. Done once for each content."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from infra.artifacts import finish, read_manifest
from infra.config import digest
from infra.errors import BusyError
from infra.progress import console
from prompts.beside import one_ahead
from prompts.clean import RULES
from prompts.engine import ROWS, Engine
from prompts.scores.revision import revision
from prompts.sources import Shard, Source

_FOLDER = ".prepared"
_PATIENCE_SECONDS = 3600.0
"""What another corpus makes of a shard is what this one needs."""


@dataclass(frozen=True)
class Prepared:
    """A source whose rows were described."""

    shards: tuple[Path, ...]
    """A folder for each."""

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Some columns of all rows, batch by batch, in their order."""
        return one_ahead(self._batches(list(columns)))

    def _batches(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        before = 0
        for folder in self.shards:
            for file in sorted(folder.glob(ROWS)):
                with pq.ParquetFile(file) as parquet:
                    for group in range(parquet.num_row_groups):
                        rows = pl.DataFrame(parquet.read_row_group(group, columns=columns))
                        yield rows.with_columns(pl.col("^source_row$") + before) if before else rows
            before += read_manifest(folder).facts["last row"]

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(read_manifest(folder).facts["rows"] for folder in self.shards)


def prepare(source: Source, scores: Sequence[str], root: Path, engine: Engine) -> Prepared:
    """Read and describe a source, shard by shard, or find it done.

    Args:
        scores: names of what is to be measured on each row (`prompts.scores`).
        root: folder of all corpora.
        engine: what describes the rows.

    Raises:
        InputError: the source cannot be read.
        BusyError: another run is preparing it, and is not done within an hour.
    """
    return Prepared(tuple(prepare_shard(shard, source.name, scores, root, engine) for shard in source.shards))


def prepare_shard(shard: Shard, name: str, scores: Sequence[str], root: Path, engine: Engine) -> Path:
    """`prepare` of one shard.

    Args:
        shard: to read.
        name: of its source.
        scores, root, engine: as there.

    Returns:
        A folder of Parquet files of `describe`'s columns, `engine.ROWS`. The same shard has the same folder, whatever
        source it is of, until a scorer is changed.
    """
    inputs = {
        "shard": digest(dict(shard.key)),
        "rules": str(RULES),
        "scores": digest(sorted(scores)),
        "scorers": revision(scores),
    }
    folder = root / _FOLDER / digest(inputs)[:16]
    once = partial(
        finish, folder, kind="prepared shard", inputs=inputs, build=partial(_prepare, shard, name, scores, engine)
    )
    try:
        once()
    except BusyError:
        console.print(f"{name}: another run is reading {shard.name}; waiting for it", markup=False, soft_wrap=True)
        once(patience_seconds=_PATIENCE_SECONDS)
    return folder


def _prepare(shard: Shard, name: str, scores: Sequence[str], engine: Engine, folder: Path) -> Mapping[str, Any]:
    described = engine.describe(shard, name, scores, folder)
    return {"source": name, "shard": shard.name, "rows": described.rows, "last row": described.last}
