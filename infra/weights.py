"""Where a pretrained model is on this machine."""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from infra.artifacts import MANIFEST, read_manifest, sha256
from infra.config import digest
from infra.errors import MissingError
from infra.settings import settings

LOCK_FILE = Path(__file__).with_name("weights.lock.yaml")
_IS_SHA256 = re.compile(r"[0-9a-f]{64}")


@lru_cache
def locked_weights() -> dict[str, dict[str, Any]]:
    """The lock file: name → source, revision, size and licence."""
    return yaml.safe_load(LOCK_FILE.read_text(encoding="utf-8"))


def resolve_weights(reference: str) -> Path:
    """Folder of a model named in a recipe.

    Args:
        reference: a path, a folder below `$PRD_WEIGHTS` or a name of the lock file. Models that come with the code
            (`miniature/mvdream`) are found there; only others may use the network, and not when `HF_HUB_OFFLINE` is
            set.

    Raises:
        MissingError: it is nowhere, or came damaged from every mirror; the message says how it is got.
    """
    folder = find_weights(reference)
    if folder is not None:
        return folder
    entry = locked_weights().get(reference, {})
    if entry.get("hub"):
        return _fetch_repository(reference, entry)
    place = f"put their folder at {settings().weights_folder / reference}"
    if "original" in entry:
        raise MissingError(f"the weights {reference!r} are not here", f"`prd weights fetch {reference}`, or {place}")
    raise MissingError(f"the weights {reference!r} are not here", place)


def find_weights(reference: str) -> Path | None:
    """The folder of `resolve_weights` if it is already here; never asks the network."""
    places = [Path(reference), settings().weights_folder / reference]
    entry = locked_weights().get(reference, {})
    if (shipped := entry.get("shipped")) is not None:
        places.append(Path(str(files(shipped["package"]))) / shipped["folder"])
    found = next((folder.absolute() for folder in places if folder.is_dir()), None)
    if found is not None or not entry.get("hub"):
        return found
    return next((folder for mirror in entry["hub"] if (folder := _cached(mirror, entry["files"]))), None)


def weights_digest(folder: Path) -> str:
    """Digest of a model folder's content: of its manifest where there is one, else of every file."""
    if (folder / MANIFEST).is_file():
        return digest(read_manifest(folder).outputs)
    return digest({path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)})


def fetch_file(mirrors: list[dict[str, str]], name: str) -> Path:
    """A single file of a Hub repository, from the first mirror that gives it; `name` may be in the cache.

    Raises:
        MissingError: none gives it whole.
    """
    from huggingface_hub import hf_hub_download

    def fetch(mirror: dict[str, str]) -> Path:
        path = Path(hf_hub_download(mirror["repository"], name, revision=mirror["revision"]))
        _require_whole([path])
        return path

    return _first_that_gives(mirrors, fetch, name, "check the network and HF_HUB_OFFLINE")


def _fetch_repository(name: str, entry: dict[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    def fetch(mirror: dict[str, str]) -> Path:
        folder = Path(
            snapshot_download(mirror["repository"], revision=mirror["revision"], allow_patterns=entry["files"])
        )
        if lacking := _lacking(folder, entry["files"]):
            raise FileNotFoundError(f"it has no {lacking[0]}")
        _require_whole(_files(folder))
        return folder

    place = settings().weights_folder / name
    return _first_that_gives(entry["hub"], fetch, name, f"check the network and HF_HUB_OFFLINE, or put it at {place}")


def _first_that_gives(
    mirrors: list[dict[str, str]], fetch: Callable[[dict[str, str]], Path], name: str, hint: str
) -> Path:
    failures = []
    for mirror in mirrors:
        try:
            return fetch(mirror)
        except Exception as error:  # the Hub's library raises its own, its transport's and the system's
            failures.append(f"{mirror['repository']}: {(str(error) or type(error).__name__).splitlines()[0]}")
    raise MissingError(f"{name!r} could not be fetched:\n  " + "\n  ".join(failures), hint)


def _cached(mirror: dict[str, str], patterns: list[str]) -> Path | None:
    """A repository's folder in the Hub's cache, if all of it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(mirror["repository"], revision=mirror["revision"], local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return None if _lacking(folder, patterns) else folder


def _lacking(folder: Path, patterns: list[str]) -> list[str]:
    return [name for name in patterns if "*" not in name and not (folder / name).is_file()]


def _require_whole(paths: list[Path]) -> None:
    """Compare large files with the SHA-256 that the Hub lists, by which its cache names them.

    Raises:
        OSError: one is damaged. It is removed, to be fetched again.
    """
    damaged = []
    for path in paths:
        blob = path.resolve()
        if _IS_SHA256.fullmatch(blob.name) and sha256(blob) != blob.name:
            blob.unlink()
            path.unlink(missing_ok=True)
            damaged.append(path.name)
    if damaged:
        raise OSError(f"{damaged[0]} was damaged on its way: its sha256 is not the listed one")


def _sha256(path: Path) -> str:
    """Of a file of the Hub's cache its name: it was checked when it came."""
    name = path.resolve().name
    return name if path.is_symlink() and _IS_SHA256.fullmatch(name) else sha256(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
