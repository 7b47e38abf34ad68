"""Rows of columnar sources: Parquet files and Hugging Face data sets. Text stays in Arrow until it is cleaned."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from infra.errors import InputError
from prompts.columns import choose_column
from prompts.rows import BATCH_ROWS, SCHEMA


def read_parquet(path: Path, field: str | None) -> Iterator[pl.DataFrame]:
    """Tables of `rows.SCHEMA`.

    Raises:
        InputError: no Parquet, truncated, damaged, or without a text column.
    """
    try:
        yield from parquet_frames(path, field, str(path), memory_map=True)
    except OSError as error:
        raise _no_parquet(str(path), error) from None


def parquet_frames(file: Any, field: str | None, where: str, memory_map: bool = False) -> Iterator[pl.DataFrame]:
    """`read_parquet` of a path, or of an open file, of which only the text column is read.

    Raises:
        InputError: as `read_parquet`.
        OSError: it cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, memory_map=memory_map) as parquet:
            field = text_column(parquet.schema_arrow, field, where)
            batches = (batch.column(0) for batch in parquet.iter_batches(BATCH_ROWS, columns=[field]))
            yield from _frames(batches, field)
    except pa.ArrowException as error:
        raise _no_parquet(where, error) from None


def _no_parquet(where: str, error: Exception) -> InputError:
    reason = str(error).splitlines()[0]
    return InputError(f"{where} cannot be read as Parquet: {reason}", "it may be truncated; fetch it again")


def text_column(schema: pa.Schema, field: str | None, where: str) -> str:
    """The text column of a schema.

    Raises:
        InputError: `field` is not there or holds no strings, or none is given and none can be inferred.
    """
    texts = [entry.name for entry in schema if _is_text(entry.type)]
    if field is None:
        return choose_column(texts, schema.names, where)
    if field not in schema.names:
        raise InputError(f"{where} has no column {field!r}", f"its columns: {', '.join(schema.names)}")
    if field not in texts:
        raise InputError(f"{where}: column {field!r} holds no text", f"columns that do: {', '.join(texts) or 'none'}")
    return field


def open_dataset(folder: Path, split: str) -> Any:
    """A `datasets.Dataset` from a saved folder or a folder of data files.

    Raises:
        InputError: there is no such data set, split or format.
    """
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = datasets.load_from_disk(str(folder))
            return loaded[split] if isinstance(loaded, datasets.DatasetDict) else loaded
        return datasets.load_dataset(str(folder), split=split)
    except (DatasetNotFoundError, KeyError, ValueError, OSError, pa.ArrowException) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the data set {str(folder)!r} cannot be read: {reason}", f"check its files and the split {split!r}"
        ) from None


def read_rows(path: Path) -> Iterator[pl.DataFrame]:
    """A Parquet file of `rows.SCHEMA`, as it is."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield pl.DataFrame(batch)


def dataset_frames(dataset: Any, field: str) -> Iterator[pl.DataFrame]:
    """Tables of `rows.SCHEMA`."""
    column = dataset.select_columns([field]).with_format("arrow")
    return _frames((table.column(0) for table in column.iter(BATCH_ROWS)), field)


def _frames(columns: Iterable[Any], field: str) -> Iterator[pl.DataFrame]:
    start = 1
    for column in columns:
        texts = pl.Series("text", pl.from_arrow(column)).cast(pl.String)
        yield _frame(texts, start, field)
        start += len(texts)


def _frame(texts: pl.Series, start: int, field: str) -> pl.DataFrame:
    null = pl.col("text").is_null()
    frame = texts.to_frame().with_row_index("source_row", offset=start)
    return frame.with_columns(
        reason=pl.when(null).then(pl.lit("missing")),
        detail=pl.when(null).then(pl.lit(f"`{field}` is null")),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _is_text(dtype: pa.DataType) -> bool:
    is_string: list[Callable[[Any], bool]] = [pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view]
    if pa.types.is_dictionary(dtype):
        return _is_text(dtype.value_type)
    return any(check(dtype) for check in is_string)
