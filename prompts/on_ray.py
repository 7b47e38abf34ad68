"""The work of a build as tasks of a Ray cluster, through Ray Data.

Batches of rows and parts of searches are independent of each other, so both are mapped over. Prepared rows are written
where the tasks run, into a folder that all machines of the cluster share.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from ray.data import DataContext

from infra.progress import track
from prompts.beside import Beside
from prompts.dedup.searches import Found, Job, Material
from prompts.describe import describe, no_rows
from prompts.engine import Described, rows_file
from prompts.sources import Shard, last_row

_PART = ".part"


class OnRay:
    """The Ray cluster that this process is connected to.

    Args:
        memory: bytes for the tables of one part of a search.
    """

    def __init__(self, memory: float) -> None:
        # Reading shows progress; a line for each of Ray's operators says nothing more.
        DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        self.memory = memory
        self.parts = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._pool = ThreadPoolExecutor(1)

    def describe(self, shard: Shard, name: str, scores: Sequence[str], folder: Path) -> Described:
        """As `engine.Engine.describe`: read here, described and written where there is room, while more is read."""
        count, last = 0, 0
        with Beside() as beside:
            for batches in _some(track(shard.batches(), f"reading {name} (batches)"), 2 * self.parts):
                beside.do(partial(_describe_all, batches, list(scores), folder))
                count += sum(map(len, batches))
                last = last_row(batches[-1], last)
        for lost in folder.glob(f"*{_PART}"):
            lost.unlink()
        if not count:
            no_rows(scores).write_parquet(rows_file(folder, 0))
        return Described(count, last)

    def start(self, material: Material, jobs: Sequence[Job]) -> Callable[[], list[Found]]:
        """As `dedup.searcher.Searcher.start`: a task for each job; those of one machine share the material."""
        if not jobs:
            return list
        return self._pool.submit(_search, ray.put(material), list(jobs)).result


def _some(batches: Iterator[pl.DataFrame], number: int) -> Iterator[list[pl.DataFrame]]:
    while some := list(islice(batches, number)):
        yield some


def _describe_all(batches: list[pl.DataFrame], scores: list[str], folder: Path) -> None:
    tables = [batch.to_arrow(compat_level=pl.CompatLevel.oldest()) for batch in batches]
    described: Any = _describe  # Ray's types know no further arguments
    written = ray.data.from_arrow(tables).map_batches(
        described, batch_size=None, batch_format="pyarrow", fn_kwargs={"scores": scores, "folder": folder}
    )
    written.materialize()


def _describe(rows: pa.Table, scores: list[str], folder: Path) -> pa.Table:
    batch = pl.DataFrame(rows)
    described = describe(batch, scores).to_arrow(compat_level=pl.CompatLevel.oldest())
    path = rows_file(folder, batch["source_row"][0])
    whole = path.with_suffix(_PART)  # a task may be lost while it writes, and run again
    pq.write_table(described, whole, compression="lz4")
    whole.rename(path)
    return pa.table({"rows": [len(batch)]})


def _search(material: Any, jobs: list[Job]) -> list[Found]:
    numbers = ray.data.range(len(jobs), override_num_blocks=len(jobs))
    search: Any = _run
    found = numbers.map_batches(search, batch_size=1, fn_kwargs={"material": [material], "jobs": jobs}).iter_rows()
    by_job = {row["job"]: Found(_table(row["pairs"], 3), _table(row["slips"], 5), row["all_seen"]) for row in found}
    return [by_job[number] for number in range(len(jobs))]


def _run(numbers: dict[str, np.ndarray], material: list[Any], jobs: list[Job]) -> pa.Table:
    number = int(numbers["id"][0])
    found = jobs[number](ray.get(material[0]))  # in a list, so that it is not sent with every task
    return pa.table(
        {"job": [number], "pairs": [found.pairs.ravel()], "slips": [found.slips.ravel()], "all_seen": [found.all_seen]}
    )


def _table(numbers: Any, columns: int) -> np.ndarray:
    return np.asarray(numbers, np.int32).reshape(-1, columns)
