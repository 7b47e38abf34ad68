"""Numbers that describe a corpus: what came in, what was refused and why, what is left."""

from typing import Any

import polars as pl

from prompts.rows import REASONS


def statistics(rows: pl.DataFrame, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Contents of `stats.json`.

    Args:
        rows: all rows after `filters.select`.
        sources: `Source.identity()` of each.
    """
    kept = rows.filter(pl.col("reason").is_null())
    per_source = rows.group_by("source").agg(read=pl.len(), kept=pl.col("reason").is_null().sum())
    counts = {name: (read, left) for name, read, left in per_source.iter_rows()}
    refused = _counts(rows["reason"].drop_nulls())
    return {
        "read": len(rows),
        "refused": {reason: refused[reason] for reason in REASONS if reason in refused},
        "prompts": len(kept),
        "sources": [
            {
                "name": source["name"],
                "file": source["file"],
                "licence": source["licence"],
                "read": counts.get(source["name"], (0, 0))[0],
                "kept": counts.get(source["name"], (0, 0))[1],
                "refused": _counts(rows.filter(pl.col("source") == source["name"])["reason"].drop_nulls()),
            }
            for source in sources
        ],
        "licences": _counts(kept["licence"]),
        "languages": _counts(kept["language"]),
        "flags": _counts(kept["flags"].explode().drop_nulls()),
        "words": _quantiles(kept["n_words"]),
        "clusters": {
            "with_duplicates": int((kept["cluster_size"] > 1).sum()),
            "largest": int(kept["cluster_size"].max() or 0),  # type: ignore[arg-type]
        },
    }


def _counts(values: pl.Series) -> dict[str, int]:
    """Value → how often, most frequent first."""
    table = values.rename("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    return dict(table.iter_rows())


def _quantiles(values: pl.Series) -> dict[str, int]:
    if values.is_empty():
        return {}
    shares = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}
    return {name: int(values.quantile(share, "nearest") or 0) for name, share in shares.items()}
