"""How well a deduplication did, measured against the truth."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1]."""

    recall: float
    """Of the rows that could go, those that went (and not with the last of their prompt)."""
    by_kind: dict[str, float]
    """Kind of near-duplicate → share that is one with the prompt it was made from."""
    precision: float
    """Of the rows that went, those whose prompt another row still tells."""
    lost: float
    """Distinct prompts that no row tells any more."""
    hard_merged: float
    """Hard negatives that were merged with another prompt."""


def score(truth: pl.DataFrame, kept: pl.Series) -> Score:
    """Compare with the truth.

    Args:
        truth: `row`, `cluster`, `kind`, sorted by row.
        kept: for each row the row (from 1) that stands for it: itself, another, or null when it was refused.
    """
    table = truth.select("row", "cluster", "kind").with_columns(kept=kept.cast(pl.UInt32))
    told = table.select(kept="row", stands="cluster")
    table = table.join(told, on="kept", how="left", maintain_order="left")
    stays = table.filter(pl.col("kept") == pl.col("row"))
    gone = table.filter(pl.col("kept").is_not_null() & (pl.col("kept") != pl.col("row")))
    right = pl.col("stands") == pl.col("cluster")
    clusters = table["cluster"].n_unique()
    bases = table.filter(pl.col("kind") == "base").select("cluster", base="kept")
    near = table.filter(~pl.col("kind").is_in(["base", "hard", "exact"])).join(bases, on="cluster")
    shared = near.group_by("kind").agg((pl.col("kept") == pl.col("base")).mean().alias("share"))
    hard = table.filter((pl.col("kind") == "hard") & pl.col("stands").is_not_null())
    return Score(
        recall=1 - (len(stays) - stays["cluster"].n_unique()) / max(len(table) - clusters, 1),
        by_kind=dict(shared.sort("kind").iter_rows()),
        precision=float(gone.select(right.mean()).item() or 0.0),
        lost=1 - stays["cluster"].n_unique() / clusters,
        hard_merged=float(hard.select((~right).mean()).item() or 0.0),
    )


def kept_rows(clusters: pl.DataFrame) -> pl.Series:
    """For each row of one source the row that stands for it, from the `clusters.parquet` of a corpus."""
    table = clusters.sort("source_row")
    first = table.filter(pl.col("rule").is_null()).select(kept_prompt_id="prompt_id", kept="source_row")
    return table.join(first, on="kept_prompt_id", how="left", maintain_order="left")["kept"]
