"""What was fetched, kept as it was: one folder for each revision of each source, never written again.

$PRD_HOME/snapshots/<name>-<request>/   everything of one request: a place, and what is wanted of it
    latest.json                         which revision stands for the request when it names none
    <revision>/files/…                  the files, or only the needed columns of them
    <revision>/manifest.json            address, revision, when it was fetched, digest of each file
    .partial-<revision>/                what was fetched of it before a build was stopped
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.artifacts import Manifest, finish, folder_lock, is_finished, read_manifest, write_json
from infra.config import digest
from infra.errors import UnavailableError
from infra.http import offline
from infra.settings import settings

FILES = "files"
PARTIAL = ".partial-"
_LATEST = "latest.json"
_PATIENCE_SECONDS = 6 * 3600.0
"""How long to wait for another build that fetches the same."""


@dataclass(frozen=True)
class Snapshot:
    """A finished one."""

    folder: Path
    manifest: Manifest

    @property
    def files(self) -> list[Path]:
        """In order."""
        return sorted(path for path in (self.folder / FILES).iterdir() if path.is_file())

    @property
    def origin(self) -> dict[str, str]:
        """`url`, `revision`, `fetched`."""
        return {name: str(self.manifest.facts[name]) for name in ("url", "revision", "fetched")}


@dataclass(frozen=True)
class Request:
    """A place and what is wanted of it."""

    url: str
    wanted: Mapping[str, Any]
    """What else decides on the content: fields, files, pages."""

    @property
    def home(self) -> Path:
        """Where its snapshots are. The name is for people; the digest tells requests apart."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.url.partition("://")[2]).strip("-")[-60:]
        return settings().snapshots / f"{name}-{digest({'url': self.url, **self.wanted})[:12]}"


def take(
    request: Request,
    *,
    pinned: str | None,
    refresh: bool,
    resolve: Callable[[], str],
    fetch: Callable[[str, Path], Mapping[str, Any]],
) -> Snapshot:
    """The snapshot of a request, fetched if it must be. Safe for several builds at once: one fetches, others wait.

    Args:
        request: of what.
        pinned: a revision that never changes; nobody is asked when its snapshot is here.
        refresh: ask for the newest revision even if there is a snapshot. Offline what is there is used.
        resolve: asks the source for its present revision.
        fetch: makes the files of a revision in a folder, which has what a stopped build left there, and gives facts
            for the manifest.

    Raises:
        UnavailableError: it must be fetched, and cannot be.
    """
    home = request.home
    with folder_lock(home, _PATIENCE_SECONDS):
        known = pinned or _latest(home)
        if known is not None and (pinned or not refresh or offline()) and (found := _finished(home / _name(known))):
            return found
        if offline():
            raise UnavailableError(
                f"{request.url} was not fetched before, and HF_HUB_OFFLINE forbids to fetch it",
                "check the network and HF_HUB_OFFLINE, or name a file or a saved folder instead",
            )
        revision = pinned or resolve()
        folder = home / _name(revision)
        home.mkdir(exist_ok=True)

        def build(staging: Path) -> dict[str, Any]:
            partial = home / f"{PARTIAL}{_name(revision)}"
            partial.mkdir(exist_ok=True)
            facts = fetch(revision, partial)
            partial.rename(staging / FILES)
            fetched = datetime.now(UTC).isoformat(timespec="seconds")
            return {"url": request.url, "revision": revision, "fetched": fetched, **facts}

        inputs = {"url": request.url, "revision": revision, "wanted": digest(dict(request.wanted))}
        finish(folder, kind="snapshot", inputs=inputs, build=build)
        if not pinned:
            write_json(home / _LATEST, {"revision": revision})
        for outdated in home.glob(f"{PARTIAL}*"):
            shutil.rmtree(outdated, ignore_errors=True)
        return Snapshot(folder, read_manifest(folder))


def _finished(folder: Path) -> Snapshot | None:
    return Snapshot(folder, read_manifest(folder)) if is_finished(folder) else None


def _latest(home: Path) -> str | None:
    try:
        return str(json.loads((home / _LATEST).read_text(encoding="utf-8"))["revision"])
    except (OSError, ValueError, KeyError):
        return None


def _name(revision: str) -> str:
    """A folder name. Revisions that are none by themselves (tags of servers, times) are told apart by a digest."""
    return revision if re.fullmatch(r"[0-9a-f]{40}", revision) else digest(revision)[:16]
