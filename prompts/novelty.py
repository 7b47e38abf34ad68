"""What a version of a corpus has that the one before it lacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from prompts.corpus import corpus_stats
from prompts.versions import versions


@dataclass(frozen=True)
class Novelty:
    """A version beside the one before it."""

    previous: str | None
    """Version that it is compared with; None for the first one, of which everything is new."""
    new: int
    """Prompts that the previous version lacks."""
    gone: int
    """Prompts of the previous version that this one lacks."""
    new_by_source: dict[str, int]
    """Source → how many of the new prompts it has; several may have the same one."""


def novelty(folder: Path) -> Novelty:
    """Compare a finished version with the newest of those made before it.

    One that lacks a source which this one has is passed over: a source that was down for a night brings nothing new
    when it is back.
    """
    names = [source["name"] for source in corpus_stats(folder)["sources"]]
    prompts, previous = _prompts(folder, "sources"), _previous(folder, names)
    before = _prompts(previous) if previous else prompts.clear().select("prompt_id")
    fresh = prompts.join(before, on="prompt_id", how="anti")
    by_source = fresh["sources"].explode().drop_nulls().value_counts(name="count")
    found = dict(by_source.iter_rows())
    return Novelty(
        previous.name if previous else None,
        len(fresh),
        len(before) - (len(prompts) - len(fresh)),
        {name: found.get(name, 0) for name in names},
    )


def _previous(folder: Path, sources: Sequence[str]) -> Path | None:
    made = versions(folder.parent)
    before = made[: made.index(folder)]
    whole = (version for version in reversed(before) if _missing(version).isdisjoint(sources))
    return next(whole, before[-1] if before else None)


def _missing(folder: Path) -> set[str]:
    return {source["name"] for source in corpus_stats(folder).get("missing", ())}


def _prompts(folder: Path, *columns: str) -> pl.DataFrame:
    return pl.scan_parquet(folder / "data" / "*.parquet").select("prompt_id", *columns).collect()
