"""Snapshots as sources."""

import json
from dataclasses import replace
from pathlib import Path

from infra.artifacts import write_json
from prompts.config import Kind, SourceConfig
from prompts.sources.files import read_files
from prompts.sources.saved import text_digest
from prompts.sources.snapshots import Snapshot
from prompts.sources.source import Content

_DIGESTS = "digests.json"


def read_snapshot(snapshot: Snapshot, config: SourceConfig, *, kind: Kind | None, shown: str) -> Content:
    """The rows of a snapshot.

    Args:
        kind: of its files; None where their names tell.
        shown: how the source is called.
    """
    config = config.model_copy(update={"kind": kind})
    content = read_files(snapshot.files, config, shown)
    return replace(content, digest=_digest(snapshot, config, content), origin=snapshot.origin)


def _digest(snapshot: Snapshot, config: SourceConfig, content: Content) -> str:
    """Of the text, since files are written anew and may differ between machines; remembered beside the snapshot."""
    how = f"{config.field} {config.key} {content.digest}"
    path: Path = snapshot.folder.with_name(f"{snapshot.folder.name}.{_DIGESTS}")
    known = _known(path)
    if how not in known:
        known = {**known, how: text_digest(content.open())}
        write_json(path, known)
    return known[how]


def _known(path: Path) -> dict[str, str]:

    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
