"""What a source is to the rest of the house: a name, where it came from, and rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from prompts.config import Kind, SourceConfig

SAMPLE = "sample:"
_SAMPLES_LICENCE = "Apache-2.0"


def _is_as_it_was() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows that can be read and prepared by themselves: those of one file, mostly."""

    name: str
    """For people."""
    key: Mapping[str, Any]
    """What determines its rows: what is read, and how."""
    open: Callable[[], Iterator[pl.DataFrame]]
    """Read it: tables of `rows.SCHEMA`, rows counted from 1. Raises InputError when it is not whole."""
    verify: Callable[[], None] = _is_as_it_was
    """Called when it was read. Raises InputError when it is not any more what `key` says."""

    def batches(self) -> Iterator[pl.DataFrame]:
        """Its rows.

        Raises:
            InputError: it is not whole, or changed while it was read.
        """
        yield from self.open()
        self.verify()


@dataclass(frozen=True, kw_only=True)
class Content:
    """Rows that were found and identified, not yet read."""

    kind: Kind
    file: str
    """File name, Hub name or address: without folders, which differ between machines."""
    digest: str
    """SHA-256 of the content."""
    shards: tuple[Shard, ...]
    """Their rows are numbered through."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Of what was fetched: `url`, `revision`, `fetched` (when, UTC)."""

    def batches(self) -> Iterator[pl.DataFrame]:
        """Its rows: tables of `rows.SCHEMA`.

        Raises:
            InputError: it is not whole, or changed while it was read.
        """
        before = 0
        for shard in self.shards:
            last = 0
            for frame in shard.batches():
                last = last_row(frame, last)
                yield frame.with_columns(pl.col("source_row") + before)
            before += last


def last_row(rows: pl.DataFrame, before: int = 0) -> int:
    """The highest number of a row, `before` where there is none."""
    return max(before, int(rows["source_row"].max() or 0))  # type: ignore[arg-type]


def first_rows(content: Content, limit: int) -> Content:
    """No more than so many rows of a content, as one shard."""

    def read() -> Iterator[pl.DataFrame]:
        left = limit
        for frame in content.batches():
            yield frame.head(left)
            left -= len(frame)
            if left <= 0:
                return

    def verify() -> None:
        for shard in content.shards:
            shard.verify()

    key = {"shards": [dict(shard.key) for shard in content.shards], "limit": limit}
    return replace(content, shards=(Shard(name=content.file, key=key, open=read, verify=verify),))


@dataclass(frozen=True, kw_only=True)
class Source(Content):
    """One entry of a recipe, with its content."""

    name: str
    """Unique in its corpus."""
    config: SourceConfig

    @property
    def licence(self) -> str:
        """As configured; samples are the project's own."""
        unstated = self.config.licence == "unknown" and self.config.path.startswith(SAMPLE)
        return _SAMPLES_LICENCE if unstated else self.config.licence

    def treatment(self) -> dict[str, Any]:
        """What a corpus makes of its rows. Another needs no reading, so it is no part of `identity`."""
        return {"weight": self.config.weight, "filters": self.config.filters.model_dump(mode="json")}

    def identity(self) -> dict[str, Any]:
        """What determines its rows: equal on every machine, whenever it was fetched."""
        return {
            "name": self.name,
            "file": self.file,
            "kind": self.kind,
            "licence": self.licence,
            "field": self.config.field,
            "key": self.config.key,
            "split": self.config.split if self.kind == "hf" else None,
            **({"files": self.config.files} if self.config.files else {}),
            **({"columns": list(self.config.columns)} if self.config.columns else {}),
            "limit": self.config.limit,
            "sha256": self.digest,
        }
