"""Pictures for the dataset card, as SVG: small, sharp, and the same on every machine."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

FUNNEL_CHART, LENGTH_CHART = "funnel.svg", "words.svg"
_WIDTH, _ROW, _LABEL = 720, 24, 170
_KEPT, _LOST, _INK = "#2f6f9f", "#c9c9c9", "#333333"
_LONGEST = 60
"""Words from which on prompts share one bar."""


def write_charts(stats: dict[str, Any], words: pl.Series, folder: Path) -> None:
    """The two charts that the card shows.

    Args:
        stats: `statistics.Statistics.result`.
        words: [prompts] how many words each has.
    """
    left, steps = stats["read"], [("read", stats["read"], 0)]
    for name, count in {**stats["refused"], **stats["merged"]}.items():
        left -= count
        steps.append((f"− {name}", left, count))
    steps.append(("prompts", stats["prompts"], 0))
    (folder / FUNNEL_CHART).write_text(_funnel(steps), encoding="utf-8")
    counts = dict(words.clip(0, _LONGEST).value_counts(name="count").iter_rows())
    (folder / LENGTH_CHART).write_text(_bars([counts.get(n, 0) for n in range(_LONGEST + 1)]), encoding="utf-8")


def _funnel(steps: Sequence[tuple[str, int, int]]) -> str:
    """A row for each step: what is left after it, and beside that, paler, what it took."""
    scale = (_WIDTH - _LABEL - 90) / max(steps[0][1], 1)
    shapes = []
    for index, (name, left, lost) in enumerate(steps):
        y = index * _ROW + 4
        end = _LABEL + (left + lost) * scale
        shapes += [
            _text(_LABEL - 8, y + 12, name, "end"),
            f'<rect x="{_LABEL}" y="{y}" width="{left * scale:.1f}" height="16" fill="{_KEPT}"/>',
            f'<rect x="{_LABEL + left * scale:.1f}" y="{y}" width="{lost * scale:.1f}" height="16" fill="{_LOST}"/>',
            _text(end + 6, y + 12, f"{lost or left:,}", "start"),
        ]
    return _svg(len(steps) * _ROW + 8, shapes)


def _bars(counts: Sequence[int]) -> str:
    """How many prompts have how many words."""
    height, base = 180, 150
    step = (_WIDTH - 40) / len(counts)
    scale = (base - 20) / max(*counts, 1)
    shapes = [
        f'<rect x="{20 + index * step:.1f}" y="{base - count * scale:.1f}" width="{step - 1:.1f}" '
        f'height="{count * scale:.1f}" fill="{_KEPT}"/>'
        for index, count in enumerate(counts)
    ]
    labels = [
        _text(20 + (index + 0.5) * step, base + 16, f"{index}{'+' if index == _LONGEST else ''}", "middle")
        for index in range(0, len(counts), 10)
    ]
    return _svg(height, [*shapes, *labels, _text(20, 14, f"prompts by words; most: {max(counts):,}", "start")])


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{escape(text)}</text>'


def _svg(height: int, shapes: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
