"""Where a pretrained model is on this machine."""

from functools import lru_cache
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
        reference: a path, a folder below `$PRD_WEIGHTS` (`miniature/mvdream`) or a name of the lock file. Only the
            last may use the network, and not when `HF_HUB_OFFLINE` is set.

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
    if reference.startswith("miniature/"):
        hint = f"`prd miniature build` makes them in {place.parent}"
        raise MissingError(f"the weights {reference!r} are not here", hint)
    origin = f"; made from {entry['origin']['repository']} ({entry['origin']['file']})" if entry else ""
    raise MissingError(f"the weights {reference!r} are not here", f"put their folder at {place}{origin}")


def find_weights(reference: str) -> Path | None:
    """The folder of `resolve_weights` if it is already here; never asks the network."""
    for folder in (Path(reference), settings().weights_folder / reference):
        if folder.is_dir():
            return folder.absolute()
    return None


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
