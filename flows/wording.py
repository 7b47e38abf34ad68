"""Settings, and what became of rows, in words for people."""

from typing import Any


def setting(value: Any) -> str:
    """A setting in short: of sources where they are, and what the corpus makes of them."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(_source_setting(item) for item in value)
    return str(value)


def _source_setting(source: dict[str, Any]) -> str:
    from prompts.scores.config import in_words

    own = [f"weight {source['weight']:g}"] if "weight" in source else []
    own += [in_words(source["filters"])] if source.get("filters") else []
    return str(source.get("path", source)) + (f" ({', '.join(own)})" if own else "")


def meaning(what: str) -> str:
    """What a reason, a rule or a verdict of a preview means."""
    from prompts.rows import MERGES, reason_meaning

    own = {
        "new": "would be in the corpus",
        "known": "equals a prompt of the corpus",
        "again": "equals an earlier row of the source",
    }
    return {**MERGES, **own}.get(what) or reason_meaning(what)


def shown(value: Any) -> str:
    """A fact about a prompt: lists with commas, numbers without noise."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
