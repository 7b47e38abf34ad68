"""Numbers that describe a corpus: what came in, what was refused or merged and why, what is left."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import polars as pl

from prompts.rows import MERGES, in_order
from prompts.sources import Source


class Statistics:
    """Counts rows and prompts, a batch at a time.

    Args:
        sources: of the corpus.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = [_OfSource(source) for source in sources]
        self._sets, self._licences = Counter[tuple[str, ...]](), Counter[str]()
        self._languages, self._flags = Counter[str](), Counter[str]()
        self._styled, self._merged, self._largest = 0, 0, 0
        self._measures: list[pl.DataFrame] = []

    def count(self, source: int, rows: pl.DataFrame, table: pl.DataFrame) -> None:
        """Some rows of one source, and those of them that are prompts of the corpus.

        Args:
            source: its place among the sources.
            rows: `reason` and `rule` of each.
            table: all columns of the prompts.
        """
        self._sources[source].count(rows, table)
        sets = table.group_by("sources").len()
        self._sets.update({tuple(names): count for names, count in sets.iter_rows()})
        for counter, column in (
            (self._licences, table["licence"]),
            (self._languages, table["language"]),
            (self._flags, table["flags"].explode()),
        ):
            _add(counter, column)
        self._styled += int((table["style"] != "").sum())
        self._merged += int((table["cluster_size"] > 1).sum())
        self._largest = max(self._largest, table["cluster_size"].max() or 0)  # type: ignore[type-var]
        self._measures.append(table.select("n_words", pl.col("^score_.*$")))

    def result(self) -> dict[str, Any]:
        """Contents of `stats.json`."""
        refused, merged = Counter[str](), Counter[str]()
        for source in self._sources:
            refused.update(source.refused)
            merged.update(source.merged)
        measures = pl.concat(self._measures)
        return {
            "read": sum(source.read for source in self._sources),
            "refused": in_order(refused),
            "merged": {rule: merged[rule] for rule in MERGES if rule in merged},
            "prompts": len(measures),
            "sources": [source.result() for source in self._sources],
            "overlap": _overlap(self._sets),
            "licences": _sorted(self._licences),
            "languages": _sorted(self._languages),
            "flags": _sorted(self._flags),
            "words": _quantiles(measures["n_words"]),
            "scores": {
                name.removeprefix("score_"): _quantiles(measures[name])
                for name in measures.columns
                if name.startswith("score_")
            },
            "styled": self._styled,
            "clusters": {"with_duplicates": self._merged, "largest": self._largest},
        }

    def words(self) -> pl.Series:
        """How many words each prompt has."""
        return pl.concat([measures["n_words"] for measures in self._measures])


class _OfSource:
    def __init__(self, source: Source) -> None:
        self._source = source
        self.read, self._kept, self._only_here = 0, 0, 0
        self.refused, self.merged = Counter[str](), Counter[str]()

    def count(self, rows: pl.DataFrame, table: pl.DataFrame) -> None:
        self.read += len(rows)
        self._kept += len(table)
        self._only_here += int((table["sources"].list.len() == 1).sum())
        _add(self.refused, rows["reason"])
        _add(self.merged, rows.filter(pl.col("reason").is_null())["rule"])

    def result(self) -> dict[str, Any]:
        return {
            "name": self._source.name,
            "file": self._source.file,
            "licence": self._source.licence,
            **self._source.treatment(),
            "read": self.read,
            "kept": self._kept,
            "only_here": self._only_here,
            "refused": _sorted(self.refused),
            "merged": _sorted(self.merged),
        }


def _overlap(sets: Counter[tuple[str, ...]]) -> dict[str, dict[str, int]]:
    """Prompts that two sources have in common, and on the diagonal those that one has."""
    names = sorted({name for each in sets for name in each})
    matrix = {name: dict.fromkeys(names, 0) for name in names}
    for each, count in sets.items():
        for one, other in combinations_with_replacement(sorted(each), 2):
            matrix[one][other] += count
            if one != other:
                matrix[other][one] += count
    return matrix


def _add(counter: Counter[str], values: pl.Series) -> None:
    counter.update(dict(values.drop_nulls().value_counts().iter_rows()))


def _sorted(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _quantiles(values: pl.Series) -> dict[str, float]:
    if values.is_empty():
        return {}
    shares = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}
    found = {name: values.quantile(share, "nearest") or 0 for name, share in shares.items()}
    return {name: int(value) if values.dtype.is_integer() else round(value, 3) for name, value in found.items()}
