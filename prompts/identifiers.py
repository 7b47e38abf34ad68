"""Names of prompts: 64-bit hashes in memory, 16 hex digits on disk."""

import binascii

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray


def as_hex(ids: NDArray[np.uint64]) -> pl.Series:
    """Hashes as text, in the order of their values."""
    digits = binascii.hexlify(ids.astype(">u8").tobytes())
    offsets = np.arange(len(ids) + 1, dtype=np.int64) * 16
    array = pa.Array.from_buffers(pa.large_string(), len(ids), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
    return pl.Series(pl.from_arrow(array), dtype=pl.String)
