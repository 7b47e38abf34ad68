"""Rows of columnar sources: Parquet files and Hugging Face data sets. Text stays in Arrow until it is cleaned."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from infra.errors import InputError, UnavailableError
from prompts.columns import choose_column
from prompts.rows import BATCH_ROWS, SCHEMA

if TYPE_CHECKING:
    from prompts.config import SourceConfig


def read_parquet(path: Path, field: str | None) -> Iterator[pl.DataFrame]:
    """Tables of `rows.SCHEMA`.

    Raises:
        InputError: no Parquet, truncated, damaged, or without a text column.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            field = text_column(file.schema_arrow, field, str(path))
            batches = (batch.column(0) for batch in file.iter_batches(BATCH_ROWS, columns=[field]))
            yield from _frames(batches, field)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as Parquet: {reason}", "it may be truncated; fetch it again") from None


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


def open_dataset(config: "SourceConfig", folder: Path | None) -> Any:
    """A `datasets.Dataset` from a saved folder, a folder of data files, or the Hub.

    Raises:
        InputError: there is no such data set, split or format.
        UnavailableError: the Hub does not answer, or may not be asked.
    """
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    where = str(folder or config.path)
    try:
        if folder is None:
            return datasets.load_dataset(config.path, revision=config.revision, split=config.split)
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = datasets.load_from_disk(where)
            return loaded[config.split] if isinstance(loaded, datasets.DatasetDict) else loaded
        return datasets.load_dataset(where, split=config.split)
    except (OfflineModeIsEnabled, HfHubHTTPError, ConnectionError) as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(
            f"the data set {where!r} could not be fetched: {reason}",
            "check the network and HF_HUB_OFFLINE, or name a file or a saved folder instead",
        ) from None
    except (DatasetNotFoundError, KeyError, ValueError, OSError, pa.ArrowException) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the data set {where!r} cannot be read: {reason}",
            f"check its name, its files and the split {config.split!r}",
        ) from None


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
