"""How well a deduplication did, measured against the truth."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1]."""

    recall: float
    """Of the rows that could go, those that went. One row of each prompt has to stay and one too many that went does
    not make up for one that stayed."""
    by_kind: dict[str, float]
    """Kind of duplicate → share that is one with the row it was made from, where neither was refused."""
    precision: float
    """Of the rows that went, those that another row of the same prompt stands for."""
    lost: float
    """Distinct prompts of which no row stays, whatever the reason."""
    merged_away: float
    """Those of them of which at least one row was not refused: another prompt took their place."""
    hard_merged: float
    """Hard negatives that are one with what they were made from, or that another prompt stands for."""
    hard_by_kind: dict[str, float]
    """The same by kind of hard negative."""
    refused: float
    """Rows that were refused for another reason than being a duplicate."""


def score(truth: pl.DataFrame, kept: pl.Series) -> Score:
    """Compare with the truth.

    Args:
        truth: `row` (from 1, in order), `cluster`, `kind` and `origin_row` of `corpus.write`.
        kept: for each row the row (from 1) that stands for it: itself, another, or null when it was refused. A row
            that stands for others has to stand for itself.

    Raises:
        ValueError: `kept` is not of the length of the truth, or a row stands for another but not for itself.
    """
    if len(kept) != len(truth):
        raise ValueError(f"{len(kept)} rows to compare with the truth of {len(truth)}")
    kept = kept.cast(pl.Int64)
    table = truth.select("row", "cluster", pl.col("kind").cast(pl.String), "origin_row").with_columns(kept=kept)
    chosen = table["kept"].drop_nulls().unique()
    if (table["kept"].gather(chosen - 1) != chosen).fill_null(True).any():
        raise ValueError("a row stands for others but not for itself")
    # What stands for a row, and for the row it was made from.
    table = table.with_columns(
        stands=pl.col("cluster").gather(pl.col("kept") - 1), origin_kept=pl.col("kept").gather(pl.col("origin_row") - 1)
    )
    clusters = table["cluster"].n_unique()
    told = table.filter(pl.col("kept").is_not_null())
    stay = told.filter(pl.col("kept") == pl.col("row"))
    gone = told.filter(pl.col("kept") != pl.col("row"))
    prompts_told, prompts_kept = told["cluster"].n_unique(), stay["cluster"].n_unique()

    compared = told.filter(pl.col("origin_kept").is_not_null())
    one = pl.col("kept") == pl.col("origin_kept")
    duplicates = compared.filter(pl.col("kind").str.contains("^(near|exact)/"))
    hard = told.filter(pl.col("kind").str.starts_with("hard/")).with_columns(
        wrong=(pl.col("stands") != pl.col("cluster")) | one.fill_null(False)
    )
    return Score(
        recall=_share(len(told) - prompts_told - (len(stay) - prompts_kept), len(told) - prompts_told, 1.0),
        by_kind=_by_kind(duplicates, one),
        precision=_share(len(gone.filter(pl.col("stands") == pl.col("cluster"))), len(gone), 1.0),
        lost=1 - prompts_kept / clusters,
        merged_away=(prompts_told - prompts_kept) / clusters,
        hard_merged=_share(int(hard["wrong"].sum()), len(hard), 0.0),
        hard_by_kind=_by_kind(hard, pl.col("wrong")),
        refused=1 - len(told) / len(table),
    )


def kept_rows(clusters: pl.DataFrame) -> pl.Series:
    """For each row of one source the row that stands for it, from the `clusters.parquet` of a corpus.

    Args:
        clusters: `source_row` (from 1), `prompt_id`, `kept_prompt_id` (null when it was refused) and `rule` (null or
            `kept` of the row that stays).
    """
    table = clusters.sort("source_row")
    stays = (pl.col("prompt_id") == pl.col("kept_prompt_id")) & pl.col("rule").fill_null("kept").eq("kept")
    first = table.filter(stays).group_by("kept_prompt_id").agg(kept=pl.col("source_row").first())
    return table.join(first, on="kept_prompt_id", how="left", maintain_order="left")["kept"]


def kept_of_labels(labels: pl.Series) -> pl.Series:
    """For each row the first of its group, where all that is known is a label of the group; null stays null."""
    rows = pl.DataFrame({"label": labels}).with_row_index("row", offset=1)
    first = pl.col("row").first().over("label")
    return rows.select(kept=pl.when(pl.col("label").is_not_null()).then(first))["kept"]


def _by_kind(rows: pl.DataFrame, found: pl.Expr) -> dict[str, float]:
    shares = rows.group_by(pl.col("kind").str.split("/").list.last()).agg(found.mean().alias("share")).sort("kind")
    return dict(shares.iter_rows())


def _share(part: int, whole: int, otherwise: float) -> float:
    return part / whole if whole else otherwise
