"""Versions of a corpus: which there are, what one adds to another, and a version with one source more."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from infra.artifacts import MANIFEST, read_manifest
from infra.errors import InputError, MissingError, RecipeError
from infra.recipe import apply_overrides, validate
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import BUILD_AGAIN
from prompts.parts import read_clusters, read_prompts

RECIPE = "recipe"
"""In a version's manifest: the configuration that it was built from, with the paths of that machine."""
_SECTION = "corpus"
"""Of a recipe."""


def versions(home: Path) -> list[Path]:
    """Finished versions of a corpus, the newest last.

    Args:
        home: folder of the corpus, `$PRD_HOME/corpora/<name>`.
    """
    found = []
    for folder in home.iterdir() if home.is_dir() else ():
        if folder.name.startswith("."):
            continue
        try:
            # Two may be of one second.
            found.append((read_manifest(folder).created, (folder / MANIFEST).stat().st_mtime_ns, folder))
        except MissingError:
            continue
    return [folder for *_, folder in sorted(found)]


def find_version(home: Path, version: str | None = None) -> Path:
    """A version by the beginning of its name, or the newest; a path of a version's folder is taken as it is.

    Raises:
        MissingError: there is none.
        InputError: several begin so.
    """
    if version and Path(version).is_dir():
        read_manifest(Path(version))
        return Path(version)
    found = [folder for folder in versions(home) if folder.name.startswith(version or "")]
    if not found:
        what = f"version {version} of the corpus {home.name}" if version else f"corpus {home.name}"
        names = ", ".join(folder.name for folder in versions(home)[-5:])
        way_out = f"there are {names}" if names else "build it: prd corpus build"
        raise MissingError(
            f"there is no {what} in {home}", f"{way_out}; --recipe or corpus.name=… names another corpus"
        )
    if version and len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise InputError(f"{version} may be {names}", "give more of its name")
    return found[-1]


def configuration(folder: Path) -> CorpusConfig:
    """What a version was built from.

    Raises:
        MissingError: there is no finished version in `folder`.
        InputError: it was built by another release, with settings that are no more.
    """
    path = folder / MANIFEST
    try:
        return validate(
            read_manifest(folder).facts.get(RECIPE, {}), CorpusConfig, f"`{RECIPE}` in {path}", "configuration"
        )
    except RecipeError as error:
        raise InputError(error.message, f"another release built it; {BUILD_AGAIN}") from None


def extended(folder: Path, added: list[SourceConfig], overrides: Sequence[str] = ()) -> CorpusConfig:
    """The configuration of a version with more sources, trusted less than those that it has.

    Args:
        folder: of the version.
        added: the sources.
        overrides: `corpus.key=value`, of what else shall be another; other sections do not count.

    Raises:
        InputError: a source is there already, or the version is one of another release.
        RecipeError: an override names the sources, or makes no valid configuration.
    """
    config = configuration(folder)
    if overrides:
        config = _changed(config, overrides, folder)
    known = {source.path for source in config.sources}
    for source in added:
        if source.path in known:
            raise InputError(f"{source.path} is a source of {folder.name} already", "`prd corpus stats` lists them")
    return config.model_copy(update={"sources": (*config.sources, *added)})


def _changed(config: CorpusConfig, overrides: Sequence[str], folder: Path) -> CorpusConfig:
    present = config.model_dump(mode="json")
    tree: dict[str, Any] = {_SECTION: dict(present)}
    apply_overrides(tree, overrides)
    changed = tree[_SECTION]
    if not isinstance(changed, dict) or changed.get("sources") != present["sources"]:
        raise RecipeError(
            f"`corpus.sources` cannot be changed here: the new version has those of {folder.name} and the one added",
            "to choose them all: prd corpus build corpus.sources=…",
        )
    return validate(changed, CorpusConfig, f"{folder.name} with your overrides", "configuration of a corpus")


@dataclass(frozen=True)
class Difference:
    """What one version has and another has not."""

    added: pl.DataFrame
    """Prompts that only the newer has: `prompt_id`, `text`, `source`."""
    removed: pl.DataFrame
    """Prompts that only the older has, and `rule`: what became of them in the newer, null when their row is gone."""
    same: int
    """Prompts that both have."""
    policy: dict[str, tuple[Any, Any]]
    """Setting → its value in the older and in the newer, where they differ."""


def compare(older: Path, newer: Path) -> Difference:
    """What `newer` adds to `older` and what it leaves out.

    Raises:
        MissingError: a file of them is gone.
        InputError: a file of them is damaged.
    """
    one, other = (read_prompts(folder, "prompt_id", "text", "source") for folder in (older, newer))
    removed = one.join(other, on="prompt_id", how="anti")
    fate = read_clusters(newer, "prompt_id", "rule").drop_nulls().unique("prompt_id")
    before, after = (read_manifest(folder).facts.get(RECIPE, {}) for folder in (older, newer))
    return Difference(
        added=other.join(one, on="prompt_id", how="anti"),
        removed=removed.join(fate, on="prompt_id", how="left"),
        same=len(one) - len(removed),
        policy={
            key: (before.get(key), after.get(key))
            for key in sorted({*before, *after} - {"name"})
            if before.get(key) != after.get(key)
        },
    )
