"""The first pass over all rows: which are refused, and which of the rest are equal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.policy import Policy
from prompts.prepare import Prepared

_ORDER = ["id", "source", "noise", "raw", "row"]
"""Of equal rows the first by this stands for all: of the most trusted source, the least changed, then by content."""


@dataclass(frozen=True)
class Distinct:
    """The N different prompts among R rows, the most trusted source's first, and by id."""

    prompt_of_row: NDArray[np.int32]  # [R] -1 of refused rows
    ids: NDArray[np.uint64]  # [N]
    rows: NDArray[np.int64]  # [N] the one row that is read, counted over all sources
    sizes: NDArray[np.int64]  # [N] how many rows are equal
    refused: dict[str, int]
    """Reason → rows."""


def find_distinct(prepared: Sequence[Prepared], policy: Policy) -> Distinct:
    """Refuse what the policy does not want, and find equal rows.

    Args:
        prepared: of each source, in order of trust, `prepare.prepare`.
        policy: of the corpus.
    """
    frames, count, refused = [], 0, Counter[str]()
    for source, shards in enumerate(prepared):
        for rows in shards.batches([*policy.columns(source), "noise", "raw"]):
            rows = policy.refuse(rows.with_row_index("row", count), source)
            refused.update(dict(rows["reason"].drop_nulls().value_counts().iter_rows()))
            good = rows.filter(pl.col("reason").is_null())
            frames.append(good.select("id", pl.lit(source, pl.UInt16).alias("source"), "noise", "raw", "row"))
            count += len(rows)
    prompt_of_row = np.full(count, -1, np.int32)
    good = pl.concat(frames).sort(_ORDER) if frames else pl.DataFrame(schema=dict.fromkeys(_ORDER, pl.UInt64))
    frames.clear()
    ids, rows = good["id"].to_numpy(), good["row"].to_numpy()
    firsts = np.flatnonzero(np.r_[len(ids) > 0, ids[1:] != ids[:-1]])
    sizes = np.diff(np.r_[firsts, len(ids)])
    # As they were read, then by trust and name, so that neither the order nor the number of files decides.
    trust = np.argsort(good["source"].to_numpy()[firsts], kind="stable")
    prompts = np.empty(len(trust), np.int32)
    prompts[trust] = np.arange(len(trust), dtype=np.int32)
    prompt_of_row[rows] = np.repeat(prompts, sizes)
    chosen = firsts[trust]
    return Distinct(prompt_of_row, ids[chosen], rows[chosen].astype(np.int64), sizes[trust], dict(refused))
