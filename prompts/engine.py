"""What does the work of a build: this process, or a Ray cluster. The result is the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl
import pyarrow.parquet as pq

from infra.progress import track
from infra.settings import settings
from prompts.beside import each_ahead
from prompts.config import CorpusConfig
from prompts.dedup.searcher import Searcher, Threads
from prompts.describe import describe, no_rows
from prompts.sources import Shard, last_row

ROWS = "rows-*.parquet"
"""Files of a prepared source; read in the order of their names, they have its rows in order."""
_BYTES = 1e9


class Described(NamedTuple):
    """What was read."""

    rows: int
    last: int
    """The highest number of a row."""


class Engine(Searcher, Protocol):
    """Describes rows, and searches."""

    def describe(self, shard: Shard, name: str, scores: Sequence[str], folder: Path) -> Described:
        """Write what can be said of each row of a shard.

        Args:
            shard: to read.
            name: of its source, to show.
            scores: names of what is to be measured (`prompts.scores`).
            folder: for `ROWS`.

        Raises:
            InputError: the shard cannot be read.
        """
        ...


class Local(Threads):
    """This process."""

    def describe(self, shard: Shard, name: str, scores: Sequence[str], folder: Path) -> Described:
        """As `Engine.describe`."""
        schema = no_rows(scores).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        count, last = 0, 0
        with pq.ParquetWriter(rows_file(folder, 0), schema, compression="lz4") as writer:
            described = each_ahead(partial(describe, scores=scores), shard.batches(), self.pool, self.threads)
            for rows in track(described, f"reading {name} (batches)"):
                writer.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
                count, last = count + len(rows), last_row(rows, last)
        return Described(count, last)


def rows_file(folder: Path, first: int) -> Path:
    """One file of a prepared source.

    Args:
        folder: of the source.
        first: row that it begins with.
    """
    return folder / ROWS.replace("*", f"{first:012d}")


@contextmanager
def engine_of(config: CorpusConfig) -> Iterator[Engine]:
    """What a recipe chooses, for the length of a block.

    Raises:
        UnavailableError: the Ray cluster does not answer.
    """
    memory = config.memory_gb * _BYTES
    if config.engine == "local":
        yield Local(memory)
        return
    from infra.cluster import ray_session
    from prompts.on_ray import OnRay

    with ray_session(settings().ray_address, 1, _OBJECT_STORE_MB):
        yield OnRay(memory)


_OBJECT_STORE_MB = 2048
"""Of a Ray that is started for one build on this machine."""
