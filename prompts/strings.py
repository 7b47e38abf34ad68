"""Columns of text as the bytes beneath them, for compiled kernels."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa


class Strings(NamedTuple):
    """UTF-8 of all rows, one after another; a null is empty."""

    data: np.ndarray
    """uint8."""
    offsets: np.ndarray
    """int64, rows + 1: row i is `data[offsets[i]:offsets[i + 1]]`."""


def strings_of(texts: pl.Series) -> Strings:
    """The bytes of a column."""
    array = texts.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    return bytes_of(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)


def bytes_of(array: pa.LargeStringArray) -> Strings:
    """The bytes of a column of Arrow, in which nulls are empty."""
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return Strings(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return Strings(np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), starts)


def series_of(strings: Strings) -> pl.Series:
    """The column of such bytes, which have to be UTF-8."""
    size = int(strings.offsets[-1])
    offsets, data = pa.py_buffer(strings.offsets), pa.py_buffer(strings.data[:size])
    array = pa.LargeStringArray.from_buffers(len(strings.offsets) - 1, offsets, data)
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series
