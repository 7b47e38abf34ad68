"""Rows of Parquet files. Text stays in Arrow until it is cleaned."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from infra.errors import InputError
from prompts.rows import BATCH_ROWS, LONGEST_KEPT, LONGEST_TEXT, SCHEMA
from prompts.sources.columns import choose_column
from prompts.sources.unpacking import Budget

_BATCH_BYTES = 2**26
_PREFIXED_ROWS = 1024
"""Read at a time where values are stored as what they add to the one before, which says nothing about their length."""


def read_parquet(path: Path, field: str | None) -> Iterator[pl.DataFrame]:
    """Tables of `rows.SCHEMA`.

    Raises:
        InputError: no Parquet, truncated, damaged, without a text column, or made to fill the memory.
    """
    with readable(str(path)):
        budget = Budget(path)
        for start, column, name in text_batches(path, field, str(path)):
            frame = text_frame(column, start, name)
            budget.spend(int(frame["text"].str.len_bytes().sum()) + len(frame))
            yield frame


def text_batches(source: Any, field: str | None, where: str) -> Iterator[tuple[int, Any, str]]:
    """The text column of a Parquet file in pieces: number of the first row, Arrow array, name of the column.

    Args:
        source: path, or open file.
        where: how errors name it.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(source, memory_map=isinstance(source, Path)) as file:
        field = text_column(file.schema_arrow, field, where)
        rows, repeats = _plan(file, field)
        metadata = file.metadata
    start = 1
    packed = [field] if repeats else None
    with pq.ParquetFile(source, memory_map=isinstance(source, Path), metadata=metadata, read_dictionary=packed) as file:
        for batch in file.iter_batches(rows, columns=[field]):
            yield start, batch.column(0), field
            start += batch.num_rows


def readable(where: str) -> "_Readable":
    """A context in which what Arrow says of a file becomes an InputError."""
    return _Readable(where)


class _Readable:
    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{self._where} cannot be read as Parquet: {reason}", "it may be truncated; fetch it again"
            ) from None


def _plan(file: Any, field: str) -> tuple[int, bool]:
    """How many rows to read at a time, and whether values are stored once and repeated by number.

    Such values are looked at before they are repeated: a megabyte that stands for a million rows fits in a small file.
    """
    names = [file.schema.column(number).path for number in range(len(file.schema))]
    index = names.index(field) if field in names else file.schema_arrow.names.index(field)
    rows, repeats = BATCH_ROWS, False
    for group in range(file.metadata.num_row_groups):
        column = file.metadata.row_group(group).column(index)
        per_row = column.total_uncompressed_size / max(column.num_values, 1)
        rows = min(rows, max(16, int(_BATCH_BYTES / max(per_row, 1.0))))
        if "DELTA_BYTE_ARRAY" in column.encodings:
            rows = min(rows, _PREFIXED_ROWS)
        repeats |= column.has_dictionary_page or "RLE_DICTIONARY" in column.encodings
    return rows, repeats


def text_column(schema: pa.Schema, field: str | None, where: str) -> str:
    """The text column of a schema.

    Raises:
        InputError: `field` is not there or holds no strings, or none is given and none can be inferred.
    """
    texts = [entry.name for entry in schema if _is_text(entry.type)]
    if field is None:
        return choose_column(texts, [f"{entry.name} ({entry.type})" for entry in schema], where)
    if field not in schema.names:
        raise InputError(f"{where} has no column {field!r}", f"its columns: {', '.join(schema.names)}")
    if field not in texts:
        held = f"{where}: column {field!r} holds no text but {schema.field(field).type}"
        raise InputError(held, f"columns of text: {', '.join(texts) or 'none'}")
    return field


def text_frames(columns: Iterable[Any], field: str) -> Iterator[pl.DataFrame]:
    """Tables of `rows.SCHEMA` of Arrow columns, numbered through."""
    start = 1
    for column in columns:
        frame = text_frame(column, start, field)
        start += len(frame)
        yield frame


def text_frame(column: Any, start: int, field: str) -> pl.DataFrame:
    """A table of `rows.SCHEMA` of an Arrow array of strings, packed as a dictionary or not."""
    null = pl.col("text").is_null()
    long = pl.col("text").str.len_chars() > LONGEST_TEXT
    frame = _strings(column).to_frame("text").with_row_index("source_row", offset=start)
    frame = frame.with_columns(
        reason=pl.when(null).then(pl.lit("missing")).when(long).then(pl.lit("too_long")),
        detail=pl.when(null)
        .then(pl.lit(f"`{field}` is null"))
        .when(long)
        .then(pl.format("more than {} characters", pl.lit(LONGEST_TEXT))),
        text=pl.when(long).then(pl.col("text").str.slice(0, LONGEST_KEPT)).otherwise("text"),
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _strings(column: Any) -> pl.Series:
    """Strings of an array; of a packed one no value is repeated in full beyond what tells that it is too long."""
    if not pa.types.is_dictionary(column.type):
        return pl.Series("text", pl.from_arrow(column)).cast(pl.String)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # of no chunk
        return pl.Series("text", [], dtype=pl.String)
    values = pl.Series("text", pl.from_arrow(array.dictionary)).cast(pl.String).str.slice(0, LONGEST_TEXT + 1)
    return values.gather(pl.Series(pl.from_arrow(array.indices)).cast(pl.UInt32))


def _is_text(dtype: pa.DataType) -> bool:
    is_string: list[Callable[[Any], bool]] = [pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view]
    if pa.types.is_dictionary(dtype):
        return _is_text(dtype.value_type)
    return any(check(dtype) for check in is_string)
