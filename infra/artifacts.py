"""Finished work on disk: build in a temporary folder, rename when whole, manifest last.

A folder counts as finished when its `manifest.json` is present, names the same inputs and every output still has
its recorded SHA-256. A crash at any point therefore leaves either nothing or something that is redone.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from infra.errors import BusyError, MissingError

MANIFEST = "manifest.json"
_STAGING = ".staging-"


@dataclass(frozen=True)
class Manifest:
    """What a finished folder is made of and contains."""

    kind: str
    inputs: dict[str, str]
    """Name → digest of everything that determines the content."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Numbers worth knowing without opening the outputs."""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Relative path → `{"sha256": …, "bytes": …}`."""
    code_version: str = ""
    created: str = ""


def finish(
    folder: Path,
    *,
    kind: str,
    inputs: Mapping[str, str],
    build: Callable[[Path], Mapping[str, Any]],
    patience_seconds: float = 0.0,
) -> bool:
    """Make `folder` once: skip it when finished, otherwise build it whole or not at all.

    Args:
        folder: final place.
        kind: what it is, e.g. `corpus`.
        inputs: digests that determine the content; a finished folder with other inputs is replaced.
        build: writes everything into the staging folder it is given and returns the facts for the manifest.
        patience_seconds: of `folder_lock`.

    Returns:
        True when `build` ran, False when the work was already there.

    Raises:
        BusyError: another run is working on this folder.
    """
    with folder_lock(folder, patience_seconds):
        if is_finished(folder, inputs):
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.with_name(f"{_STAGING}{folder.name}")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            facts = build(staging)
            seal(staging, kind=kind, inputs=inputs, facts=facts)
            publish(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return True


def seal(
    folder: Path,
    *,
    kind: str,
    inputs: Mapping[str, str],
    facts: Mapping[str, Any],
    outputs: Iterable[Path] | None = None,
) -> Manifest:
    """Write the manifest of `folder`; call it last. It covers `outputs`, by default every file."""
    found = folder.rglob("*") if outputs is None else outputs
    files = sorted(path for path in found if path.is_file() and path.name != MANIFEST)
    with ThreadPoolExecutor() as pool:
        digests = pool.map(sha256, files)
    manifest = Manifest(
        kind=kind,
        inputs=dict(inputs),
        facts=dict(facts),
        outputs={
            path.relative_to(folder).as_posix(): {"sha256": digest, "bytes": path.stat().st_size}
            for path, digest in zip(files, digests, strict=True)
        },
        code_version=code_version(),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    write_json(folder / MANIFEST, vars(manifest))
    return manifest


def publish(staging: Path, folder: Path) -> None:
    """Rename `staging` to `folder`, replacing an unfinished or outdated one."""
    if folder.exists():
        outdated = folder.with_name(f"{_STAGING}outdated-{folder.name}")
        shutil.rmtree(outdated, ignore_errors=True)
        folder.rename(outdated)
        staging.rename(folder)
        shutil.rmtree(outdated)
    else:
        staging.rename(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished folder.

    Raises:
        MissingError: `folder` is not there, has no manifest, or the manifest does not parse.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}")
    if not path.is_file():
        raise MissingError(
            f"{folder} has no {MANIFEST}: it was never finished", "run the stage again; unfinished folders are rebuilt"
        )
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise MissingError(f"{path} cannot be read: {error}", "delete the folder and run the stage again") from None


def is_finished(folder: Path, inputs: Mapping[str, str] | None = None) -> bool:
    """Whether `folder` has a manifest, of these `inputs` if given, whose outputs are all present and unchanged."""
    try:
        manifest = read_manifest(folder)
    except MissingError:
        return False
    if inputs is not None and manifest.inputs != dict(inputs):
        return False
    return all(
        (path := folder / name).is_file() and path.stat().st_size == entry["bytes"] and sha256(path) == entry["sha256"]
        for name, entry in manifest.outputs.items()
    )


@contextmanager
def folder_lock(folder: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold `folder` for this process; the lock ends with the process, however it ends.

    Args:
        folder: need not exist.
        patience_seconds: how long to wait for another process that may be about to end.

    Raises:
        BusyError: another process holds it.
        MissingError: there is no place for the lock.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingError(f"{path.parent} cannot be made: {error.strerror}", "check PRD_HOME") from None
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience_seconds)
    except Timeout:
        raise BusyError(
            f"another run is working on {folder}", "wait for it, or end that process; its lock ends with it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a file beside `path` and rename it to its place; when it fails nothing is left."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


@lru_cache
def code_version() -> str:
    """The commit of this checkout (with `+` when it has changes), or the installed version."""
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        return version("prd-pipeline")
    except PackageNotFoundError:
        return "unknown"
