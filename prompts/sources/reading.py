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


def read_snapshot(snapshot: Snapshot, config: SourceConfig, shown: str, kind: Kind | None = None) -> Content:
    """The rows of a snapshot.

    Args:
        config: its `kind` is that of the files; None or `hf` where their names tell.
        shown: how the source is called.
        kind: of the source, where that is not the files'.
    """
    content = read_files(snapshot.files, config, shown)
    digest = _digest(snapshot, config, content)
    return replace(content, kind=kind or content.kind, digest=digest, origin=snapshot.origin)


def _digest(snapshot: Snapshot, config: SourceConfig, content: Content) -> str:
    """Of the text, since files are written anew and may differ between machines; remembered beside the snapshot."""
    how = f"{config.field} {config.key} {content.digest}"
    path: Path = snapshot.folder.with_name(f"{snapshot.folder.name}.{_DIGESTS}")
    known = _known(path)
    if how not in known:
        known = {**known, how: text_digest(content.batches())}
        write_json(path, known)
    return known[how]


def _known(path: Path) -> dict[str, str]:

    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
