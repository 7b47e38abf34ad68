"""What of a version others get to see: its files, without what names places on this machine."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from infra.artifacts import MANIFEST, Manifest
from prompts.card import LOCAL_LOADING
from prompts.config import SourceConfig
from prompts.corpus import STATS, TEXTS
from prompts.sources.finding import is_local
from prompts.versions import RECIPE

_SOURCES = ("sources", "evaluation_prompts")
_PLACE = re.compile(r"(?<![\w:/.])~?/[^\s'\"`(),:;]+")
"""A path from the root or the home; no part of an address."""


def public_files(folder: Path, manifest: Manifest, name: str) -> dict[str, Path | bytes]:
    """File of the data set → where it is, or its content where that is not the version's own.

    These are the files that the manifest lists but `text.arrow`, which only a training reads, and the manifest of
    them. Local files are called by their names alone, in the recipe and where sources are missing; addresses go
    without passwords and queries. The card loads the data set instead of the folder.

    Args:
        folder: of a finished version.
        manifest: its.
        name: `owner/name` of the data set.
    """
    files: dict[str, Path | bytes] = {each: folder / each for each in manifest.outputs if each != TEXTS}
    recipe = manifest.facts[RECIPE]
    sources = [SourceConfig.model_validate(each) for part in _SOURCES for each in recipe[part]]
    changed = {
        "README.md": _card((folder / "README.md").read_text(encoding="utf-8"), manifest, name),
        STATS: _json(_public_stats(json.loads((folder / STATS).read_text(encoding="utf-8")), sources)),
    }
    contents = {each: text.encode() for each, text in changed.items()}
    outputs = {each: entry for each, entry in manifest.outputs.items() if each != TEXTS}
    outputs |= {each: {"sha256": sha256(body).hexdigest(), "bytes": len(body)} for each, body in contents.items()}
    described = replace(manifest, facts={**manifest.facts, RECIPE: _public_recipe(recipe)}, outputs=outputs)
    return {**files, **contents, MANIFEST: _json(vars(described)).encode()}


def _card(text: str, manifest: Manifest, name: str) -> str:
    version = manifest.facts["version"]
    local = LOCAL_LOADING.format(name=manifest.facts[RECIPE]["name"], version=version)
    return text.replace(f'"{local}"', f'"{name}", revision="{version}"')


def _public_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    def public(each: Mapping[str, Any]) -> dict[str, Any]:
        return {**each, "path": _public_path(SourceConfig.model_validate(each))}

    return {**recipe, **{part: [public(each) for each in recipe[part]] for part in _SOURCES}}


def _public_stats(stats: dict[str, Any], sources: Sequence[SourceConfig]) -> dict[str, Any]:
    public = {source.path: _public_path(source) for source in sources}
    folders = sorted({folder for source in sources if is_local(source) for folder in _folders(source.path)}, key=len)
    missing = []
    for lost in stats["missing"]:
        reason = lost["reason"].replace(lost["path"], public[lost["path"]])
        for folder in reversed(folders):  # longer ones first: they may begin with another
            reason = reason.replace(folder, "")
        reason = _PLACE.sub(lambda place: place[0].rstrip("/").rpartition("/")[2], reason)
        missing.append({**lost, "path": public[lost["path"]], "reason": reason})
    return {**stats, "missing": missing}


def _folders(path: str) -> set[str]:
    """The folder of a local file as messages may give it, whatever characters it has."""
    place = Path(path.removeprefix("file://")).expanduser()
    parents = {Path(path).parent, place.parent, place.absolute().parent}
    return {f"{parent}/" for parent in parents if parent.name}


def _public_path(source: SourceConfig) -> str:
    if is_local(source):
        return Path(source.path).name
    if "://" not in source.path:
        return source.path
    address = urlsplit(source.path)
    return urlunsplit((address.scheme, address.netloc.rpartition("@")[2], address.path, "", ""))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
