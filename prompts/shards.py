"""The prompts of a corpus in order of their ids, in files of equal size, whatever order they come in."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.progress import track
from prompts.beside import each_ahead
from prompts.corpus import TEXTS
from prompts.strings import bytes_of

SHARD_ROWS = 250_000
_TEXT_BATCH = 65_536
_AT_A_TIME = 2
"""Shards that are sorted and written; each is in memory, and one more."""
_HOLDOUT_SALT = np.uint64(0x9E3779B97F4A7C15)


class Written(NamedTuple):
    """What there is of a finished corpus."""

    splits: dict[str, int]
    """Split → prompts."""
    digest: str
    """Of what it holds, whatever files its rows were read from."""
    examples: list[str]
    """The first texts."""


class Shards:
    """Takes prompts in any order, and writes them sorted.

    Each goes into the file of its shard at once, and every shard is sorted by itself: ids are hashes, so where a shard
    begins is known beforehand.

    Args:
        ids: of all prompts that will come.
        holdout: share of them in the split `holdout`.
        scratch: folder for files between.
    """

    def __init__(self, ids: NDArray[np.uint64], holdout: float, scratch: Path) -> None:
        self._limit = round(holdout * 2**32)
        held = self._held_out(ids)
        self.splits = {"train": int((~held).sum()), "holdout": int(held.sum())}
        self._bounds = {"train": _bounds(ids[~held]), "holdout": _bounds(ids[held])}
        self._scratch = scratch
        self._writers: dict[tuple[str, int], pa.ipc.RecordBatchStreamWriter] = {}

    def add(self, table: pl.DataFrame) -> None:
        """Some prompts: all columns of the corpus, and `id`."""
        ids = table["id"].to_numpy()
        train = np.searchsorted(self._bounds["train"], ids, side="right") - 1
        holdout = len(self._bounds["train"]) + np.searchsorted(self._bounds["holdout"], ids, side="right") - 1
        places = np.where(self._held_out(ids), holdout, train)
        sorted_rows = _arrow(table[np.argsort(places, kind="stable")])
        ends = np.cumsum(np.bincount(places, minlength=len(self._all())))
        for place, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
            if start < end:
                self._spill(*self._all()[place], sorted_rows.slice(start, end - start))

    def write(self, folder: Path) -> Written:
        """Write `data/*.parquet`, and what training reads once more where it can be mapped into memory."""
        (folder / "data").mkdir()
        digest, examples = _ContentDigest(), list[str]()
        for writer in self._writers.values():
            writer.close()
        with ThreadPoolExecutor(_AT_A_TIME) as pool, _Texts(folder / TEXTS) as texts:
            finished = each_ahead(partial(self._finish, folder), self._all(), pool, _AT_A_TIME)
            for (split, _), rows in zip(track(self._all(), "writing shards"), finished, strict=True):
                digest.update(rows)
                if split == "train":
                    texts.write(rows)
                if not examples:
                    examples = rows["text"][:5].to_pylist()
        return Written({split: count for split, count in self.splits.items() if count}, digest.hexdigest(), examples)

    def _held_out(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return (ids * _HOLDOUT_SALT >> np.uint64(32)) < self._limit

    def _all(self) -> list[tuple[str, int]]:
        return [(split, shard) for split, bounds in self._bounds.items() for shard in range(len(bounds))]

    def _path(self, split: str, shard: int) -> Path:
        return self._scratch / f"{split}-{shard}.arrow"

    def _spill(self, split: str, shard: int, rows: pa.Table) -> None:
        if (split, shard) not in self._writers:
            self._writers[split, shard] = pa.ipc.new_stream(self._path(split, shard), rows.schema)
        self._writers[split, shard].write_table(rows)

    def _finish(self, folder: Path, place: tuple[str, int]) -> pa.Table:
        split, shard = place
        path = self._path(split, shard)
        with pa.memory_map(str(path)) as file:
            rows = _arrow(pl.DataFrame(pa.ipc.open_stream(file).read_all()).sort("id"))
        path.unlink()
        name = f"{split}-{shard:05d}-of-{len(self._bounds[split]):05d}.parquet"
        written: Any = {"compression": "zstd", "write_statistics": ["prompt_id"]}  # which alone are in order
        pq.write_table(plain(rows.drop_columns("id")), folder / "data" / name, **written)
        return rows


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """One piece for each column."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()


def plain(table: pa.Table) -> pa.Table:
    """With the types that every reader knows: plain strings, lists and structs."""
    return table.cast(pa.schema([field.with_type(_plain_type(field.type)) for field in table.schema]))


def _plain_type(kind: Any) -> Any:
    if pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    return kind


def _bounds(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The first id of each shard."""
    return np.sort(ids)[::SHARD_ROWS]


class _Texts:
    """What training reads, as an Arrow file; a context manager."""

    def __init__(self, path: Path) -> None:
        self._schema = pa.schema([("text", pa.large_string()), ("cluster_size", pa.int32()), ("weight", pa.float32())])
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def __enter__(self) -> "_Texts":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._sink.close()

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.select(self._schema.names), max_chunksize=_TEXT_BATCH)


class _ContentDigest:
    """Of columns, a part of the rows at a time; how they are cut into parts does not show in it."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def update(self, rows: pa.Table) -> None:
        columns = {name: rows[name].chunk(0) for name in rows.column_names} if len(rows) else {}
        for name in ("text", "source", "licence"):
            self._add_texts(name, columns[name])
        for name in ("sources", "licences", "flags"):
            lists = columns[name]
            self._add(f"{name} of a prompt", np.diff(lists.offsets).astype("<i4"))
            self._add_texts(name, lists.flatten())
        parameters = pl.Series(columns["parameters"])
        self._add("parameters there", parameters.is_not_null().to_numpy())
        self._add_texts("parameters", _arrow(parameters.drop_nulls().struct.json_encode().to_frame())[0].chunk(0))
        for name, kind in (("id", "<u8"), ("cluster_size", "<i4"), ("weight", "<f4")):
            self._add(name, columns[name].to_numpy().astype(kind))

    def hexdigest(self) -> str:
        whole = blake2b(digest_size=16)
        for name, column in sorted(self._columns.items()):
            whole.update(name.encode() + column.digest())
        return whole.hexdigest()

    def _add_texts(self, name: str, texts: pa.LargeStringArray) -> None:
        data, offsets = bytes_of(texts)
        self._add(f"{name} lengths", np.diff(offsets).astype("<i4"))
        self._add(name, data[offsets[0] : offsets[-1]])

    def _add(self, name: str, values: NDArray[Any]) -> None:
        self._columns.setdefault(name, blake2b(digest_size=16)).update(np.ascontiguousarray(values).data)
