"""Where a pretrained model is on this machine."""

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
        MissingError: it is nowhere; the message says where it may be put.
    """
    folder = find_weights(reference)
    if folder is not None:
        return folder
    entry = locked_weights().get(reference)
    if entry is not None and entry.get("hub"):
        return _download(reference, entry["hub"])
    place = settings().weights_folder / reference
    origin = ""
    if entry is not None and "origin" in entry:
        origin = f"; made from {entry['origin']['repository']} ({entry['origin']['file']})"
    raise MissingError(f"the weights {reference!r} are not here", f"put their folder at {place}{origin}")


def find_weights(reference: str) -> Path | None:
    """The folder of `resolve_weights` if it is already here; never asks the network."""
    places = [Path(reference), settings().weights_folder / reference]
    if (shipped := locked_weights().get(reference, {}).get("shipped")) is not None:
        places.append(Path(str(files(shipped["package"]))) / shipped["folder"])
    return next((folder.absolute() for folder in places if folder.is_dir()), None)


def weights_digest(folder: Path) -> str:
    """Digest of a model folder's content: of its manifest where there is one, else of every file."""
    if (folder / MANIFEST).is_file():
        return digest(read_manifest(folder).outputs)
    return digest({path.relative_to(folder).as_posix(): sha256(path) for path in _files(folder)})


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _download(name: str, mirrors: list[dict[str, str]]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    failures = []
    for mirror in mirrors:
        try:
            return Path(snapshot_download(mirror["repository"], revision=mirror["revision"]))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            failures.append(f"{mirror['repository']}: {str(error).splitlines()[0]}")
    raise MissingError(
        f"the weights {name!r} could not be fetched:\n  " + "\n  ".join(failures),
        f"check the network and HF_HUB_OFFLINE, or put the folder at {settings().weights_folder / name}",
    )
