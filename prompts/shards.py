"""The prompts of a corpus in order of their ids, in files of equal size, whatever order they come in."""

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.progress import track
from prompts.beside import Beside
from prompts.corpus import TEXTS
from prompts.strings import strings_of

SHARD_ROWS = 250_000
_TEXT_BATCH = 65_536
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
        for place in np.unique(places):
            split, shard = self._all()[place]
            self._spill(split, shard, table.filter(places == place))

    def write(self, folder: Path) -> Written:
        """Write `data/*.parquet`, and what training reads once more where it can be mapped into memory."""
        (folder / "data").mkdir()
        digest, examples = _ContentDigest(), list[str]()
        for writer in self._writers.values():
            writer.close()
        with Beside() as writing, Beside() as digesting, _Texts(folder / TEXTS) as texts:
            for split, shard in track(self._all(), "writing shards"):
                rows = self._read(split, shard)
                name = f"{split}-{shard:05d}-of-{len(self._bounds[split]):05d}.parquet"
                writing.do(partial(_write_shard, rows.drop("id"), folder / "data" / name))
                digesting.do(partial(digest.update, rows))
                if split == "train":
                    texts.write(rows)
                if not examples:
                    examples = rows["text"].head(5).to_list()
        return Written({split: count for split, count in self.splits.items() if count}, digest.hexdigest(), examples)

    def _held_out(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return (ids * _HOLDOUT_SALT >> np.uint64(32)) < self._limit

    def _all(self) -> list[tuple[str, int]]:
        return [(split, shard) for split, bounds in self._bounds.items() for shard in range(len(bounds))]

    def _path(self, split: str, shard: int) -> Path:
        return self._scratch / f"{split}-{shard}.arrow"

    def _spill(self, split: str, shard: int, rows: pl.DataFrame) -> None:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if (split, shard) not in self._writers:
            self._writers[split, shard] = pa.ipc.new_stream(self._path(split, shard), table.schema)
        self._writers[split, shard].write_table(table)

    def _read(self, split: str, shard: int) -> pl.DataFrame:
        path = self._path(split, shard)
        with pa.memory_map(str(path)) as file:
            rows = pl.DataFrame(pa.ipc.open_stream(file).read_all()).sort("id")
        path.unlink()
        return rows


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


def _write_shard(rows: pl.DataFrame, path: Path) -> None:
    pq.write_table(plain(rows.to_arrow(compat_level=pl.CompatLevel.oldest())), path, compression="zstd")


class _Texts:
    """What training reads, as an Arrow file; a context manager."""

    def __init__(self, path: Path) -> None:
        schema = [("text", pa.large_string()), ("cluster_size", pa.int32()), ("weight", pa.float32())]
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, pa.schema(schema))

    def __enter__(self) -> "_Texts":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._sink.close()

    def write(self, rows: pl.DataFrame) -> None:
        table = rows.select("text", "cluster_size", "weight").to_arrow(compat_level=pl.CompatLevel.oldest())
        self._writer.write_table(table.combine_chunks(), max_chunksize=_TEXT_BATCH)


class _ContentDigest:
    """Of columns, a part of the rows at a time; how they are cut into parts does not show in it."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def update(self, rows: pl.DataFrame) -> None:
        for name, column in self._texts(rows):
            data, offsets = strings_of(column)
            self._add(f"{name} lengths", np.diff(offsets).astype("<i8"))
            self._add(name, data[offsets[0] : offsets[-1]])
        self._add("parameters there", rows["parameters"].is_not_null().to_numpy())
        self._add("cluster_size", rows["cluster_size"].to_numpy().astype("<i4"))
        self._add("weight", rows["weight"].to_numpy().astype("<f4"))

    def hexdigest(self) -> str:
        whole = blake2b(digest_size=16)
        for name, column in sorted(self._columns.items()):
            whole.update(name.encode() + column.digest())
        return whole.hexdigest()

    def _texts(self, rows: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
        yield from ((name, rows[name]) for name in ("prompt_id", "text", "source", "licence"))
        yield from ((name, rows[name].list.join("\x1f")) for name in ("sources", "licences", "flags"))
        yield "parameters", rows["parameters"].drop_nulls().struct.json_encode()

    def _add(self, name: str, values: NDArray[Any]) -> None:
        self._columns.setdefault(name, blake2b(digest_size=16)).update(np.ascontiguousarray(values).data)
