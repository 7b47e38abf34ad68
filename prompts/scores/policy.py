"""Scores of rows as columns, and the reason why a row is refused."""

import polars as pl

from prompts.rows import refuse
from prompts.scores.config import FilterConfig, FiltersConfig
from prompts.scores.registry import SCORERS

_DECIMALS = 3
"""Kept of a score that is a share, so that what `detail` says is what was compared."""


def add_scores(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Add `score_<name>` columns (Float32, or Int32 for counts); null on rows that already have a reason.

    Args:
        rows: columns `text`, `key` and `reason`, as after cleaning.
    """
    good = pl.col("reason").is_null()
    scored = rows.filter(good)
    columns = [_rounded(SCORERS[name](scored)).alias(f"score_{name}") for name in names]
    if len(scored) < len(rows):
        places = rows.select(pl.when(good).then(good.cum_sum().cast(pl.Int64) - 1)).to_series()
        columns = [column.gather(places) for column in columns]
    return rows.with_columns(columns)


def apply_policy(rows: pl.DataFrame, config: FiltersConfig) -> pl.DataFrame:
    """`add_scores` of all filters that are on, then `refuse_outside`."""
    return refuse_outside(add_scores(rows, [name for name, _ in config.active()]), config)


def refuse_outside(rows: pl.DataFrame, config: FiltersConfig) -> pl.DataFrame:
    """Write `reason` (the filter's name) and `detail` on good rows outside the limits.

    Args:
        rows: columns `reason`, `detail`, and `score_<name>` of each filter that is on.

    Returns:
        All rows, in order. The first filter of the recipe that a row fails is its reason, and `detail` says by how
        much: `unsafe 0.93 > 0.8`.
    """
    for name, limits in config.active():
        rows = _refuse_outside(rows, name, limits)
    return rows


def _refuse_outside(rows: pl.DataFrame, name: str, limits: FilterConfig) -> pl.DataFrame:
    score = pl.col(f"score_{name}")
    # A Float32 score just at the limit must not exceed it for being widened.
    kind = pl.Float32 if rows.schema[f"score_{name}"] == pl.Float32 else pl.Float64
    for limit, sign in ((limits.min, "<"), (limits.max, ">")):
        if limit is not None:
            bound = pl.lit(limit, dtype=kind)
            outside = score < bound if sign == "<" else score > bound
            detail = pl.concat_str(pl.lit(f"{name} "), score.cast(pl.String), pl.lit(f" {sign} {limit:g}"))
            rows = rows.with_columns(refuse(outside, name, detail))
    return rows


def _rounded(scores: pl.Series) -> pl.Series:
    return scores.round(_DECIMALS) if scores.dtype.is_float() else scores
