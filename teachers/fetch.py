"""Getting pretrained models by their names in the lock file."""

from pathlib import Path

from infra.download import download
from infra.errors import InputError
from infra.settings import settings
from infra.weights import fetch_file, find_weights, locked_weights, resolve_weights
from teachers.convert import convert_file


def fetch_weights(name: str) -> Path:
    """The folder of a model, fetched and converted where it is not here yet. An interrupted call is gone on with.

    Args:
        name: of the lock file; anything else that is here already will do.

    Raises:
        InputError: there is no such name, or what came is another file.
        MissingError: no mirror gives it.
        UnavailableError: no address gives it, or the network may not be used.
    """
    if (found := find_weights(name)) is not None:
        return found
    entry = locked_weights().get(name)
    if entry is None:
        raise InputError(f"{name!r} is no model of the lock file", f"one of {', '.join(locked_weights())}")
    if "original" not in entry:
        return resolve_weights(name)
    original, folder = entry["original"], settings().weights_folder / name
    if "hub" in original:
        convert_file(fetch_file(original["hub"], original["file"]), original["family"], folder)
        return folder
    file = settings().weights_folder / ".originals" / original["file"]
    download(original["urls"], file, original.get("sha256"))
    convert_file(file, original["family"], folder)
    file.unlink()  # gigabytes that nothing reads again
    return folder
