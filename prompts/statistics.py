"""Numbers that describe a corpus: what came in, what was refused or merged and why, what is left."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import polars as pl

from prompts.rows import MERGES, REASONS
from prompts.sources import Source


def statistics(rows: pl.DataFrame, table: pl.DataFrame, sources: Sequence[Source]) -> dict[str, Any]:
    """Contents of `stats.json`.

    Args:
        rows: of `selection.Selection`.
        table: of `writing.corpus_table`.
        sources: of the corpus.
    """
    refused, merged = _counts(rows["reason"].drop_nulls()), _counts(_merged(rows)["rule"])
    by_source = {index: frame for (index,), frame in rows.partition_by("source", as_dict=True).items()}
    return {
        "read": len(rows),
        "refused": {reason: refused[reason] for reason in REASONS if reason in refused},
        "merged": {rule: merged[rule] for rule in MERGES if rule in merged},
        "prompts": len(table),
        "sources": [_source(source, by_source.get(index, rows.clear()), table) for index, source in enumerate(sources)],
        "overlap": overlap(table["sources"]),
        "licences": _counts(table["licence"]),
        "languages": _counts(table["language"]),
        "flags": _counts(table["flags"].explode().drop_nulls()),
        "words": _quantiles(table["n_words"]),
        "scores": {
            name.removeprefix("score_"): _quantiles(table[name]) for name in table.columns if name.startswith("score_")
        },
        "styled": int((table["style"] != "").sum()),
        "clusters": {
            "with_duplicates": int((table["cluster_size"] > 1).sum()),
            "largest": int(table["cluster_size"].max() or 0),  # type: ignore[arg-type]
        },
    }


def overlap(sources: pl.Series) -> dict[str, dict[str, int]]:
    """Prompts that two sources have in common, and on the diagonal those that one has.

    Args:
        sources: lists of source names, sorted, of each prompt.
    """
    sets = sources.to_frame("set").group_by("set").len()
    names = sorted({name for each in sets["set"] for name in each})
    matrix = {name: dict.fromkeys(names, 0) for name in names}
    for each, count in sets.iter_rows():
        for one, other in combinations_with_replacement(sorted(each), 2):
            matrix[one][other] += count
            if one != other:
                matrix[other][one] += count
    return matrix


def _source(source: Source, rows: pl.DataFrame, table: pl.DataFrame) -> dict[str, Any]:
    alone = table["sources"].list.len() == 1
    return {
        "name": source.name,
        "file": source.file,
        "licence": source.licence,
        **source.treatment(),
        "read": len(rows),
        "kept": int((table["source"] == source.name).sum()),
        "only_here": int((alone & (table["source"] == source.name)).sum()),
        "refused": _counts(rows["reason"].drop_nulls()),
        "merged": _counts(_merged(rows)["rule"]),
    }


def _merged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("reason").is_null() & pl.col("rule").is_not_null())


def _counts(values: pl.Series) -> dict[str, int]:
    """Value → how often, most frequent first."""
    table = values.rename("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    return dict(table.iter_rows())


def _quantiles(values: pl.Series) -> dict[str, float]:
    if values.is_empty():
        return {}
    shares = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}
    found = {name: values.quantile(share, "nearest") or 0 for name, share in shares.items()}
    return {name: int(value) if values.dtype.is_integer() else round(value, 3) for name, value in found.items()}
