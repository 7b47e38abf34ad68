"""What a version of a corpus has that earlier ones lacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from prompts.corpus import corpus_stats
from prompts.parts import read_prompts
from prompts.versions import versions


@dataclass(frozen=True)
class Novelty:
    """A version beside others."""

    previous: str | None
    """Version that it is compared with, the newest if there are several; None: with nothing, everything is new."""
    new: int
    """Prompts that the others lack."""
    gone: int
    """Prompts of the others that this one lacks."""
    new_by_source: dict[str, int]
    """Source → how many of the new prompts it has; several may have the same one."""


def novelty(folder: Path) -> Novelty:
    """Compare a finished version with the newest of those made before it.

    One that lacks a source which this one has is passed over: a source that was down for a night brings nothing new
    when it is back.
    """
    made = versions(folder.parent)
    return _beside(folder, _since_whole(made[: made.index(folder)], _sources(folder))[:1])


def news_since(folder: Path, told: Sequence[str]) -> Novelty:
    """What a finished version has that none of the versions `told` had.

    Args:
        folder: of the version.
        told: names of others, the newest last; those that are no more do not count. Looked at are the newest that
            lacks no source which this one has, and those after it.
    """
    made = {version.name: version for version in versions(folder.parent)}
    known = [made[name] for name in told if name in made and name != folder.name]
    return _beside(folder, _since_whole(known, _sources(folder)))


def _beside(folder: Path, others: Sequence[Path]) -> Novelty:
    prompts = read_prompts(folder, "prompt_id", "sources")
    before = pl.concat(
        [prompts.clear().select("prompt_id"), *(read_prompts(other, "prompt_id") for other in others)]
    ).unique()
    fresh = prompts.join(before, on="prompt_id", how="anti")
    by_source = fresh["sources"].explode().drop_nulls().value_counts(name="count")
    found = dict(by_source.iter_rows())
    return Novelty(
        others[-1].name if others else None,
        len(fresh),
        len(before) - (len(prompts) - len(fresh)),
        {name: found.get(name, 0) for name in _sources(folder)},
    )


def _since_whole(made: Sequence[Path], sources: Sequence[str]) -> Sequence[Path]:
    """The newest version that had all of the sources, and those after it; when none had, only the newest."""
    whole = (index for index in reversed(range(len(made))) if _missing(made[index]).isdisjoint(sources))
    return made[next(whole, -1) :]


def _sources(folder: Path) -> list[str]:
    return [source["name"] for source in corpus_stats(folder)["sources"]]


def _missing(folder: Path) -> set[str]:
    return {source["name"] for source in corpus_stats(folder).get("missing", ())}
