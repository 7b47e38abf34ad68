"""The event by which Prefect's automations learn that a corpus has grown."""

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from prefect.events import emit_event

from infra.artifacts import write_text
from prompts.novelty import news_since

GROWN = "prd.corpus.grown"
_ANNOUNCED = ".announced"
"""Versions for which the event was sent, one a line, the newest last."""


def announce(folder: Path, stats: dict[str, Any], threshold: int) -> bool:
    """Send the event for a version with at least `threshold` prompts that no announced version has, once.

    So growth adds up however small its steps, and it does not matter which run built the version.

    Returns:
        Whether it was sent.
    """
    name, version = folder.parent.name, folder.name
    ledger = folder.parent / _ANNOUNCED
    announced = ledger.read_text(encoding="utf-8").split() if ledger.is_file() else []
    if version in announced:
        return False
    news = news_since(folder, announced)
    if news.new < threshold:
        return False
    sent = emit_event(
        GROWN,
        resource={
            "prefect.resource.id": f"prd.corpus.{name}",
            "prefect.resource.name": f"corpus {name}",
            "prd.corpus.version": version,
        },
        payload={
            "corpus": name,
            "version": version,
            "folder": str(folder),
            "prompts": stats["prompts"],
            "new": news.new,
            "gone": news.gone,
            "new_by_source": news.new_by_source,
            "previous": news.previous,
            "missing": [source["name"] for source in stats["missing"]],
        },
        id=uuid5(NAMESPACE_URL, f"{folder}/{GROWN}"),
    )
    if sent is None:  # events are switched off
        return False
    write_text(ledger, "\n".join([*announced, version]) + "\n")
    return True
