"""Pictures for the dataset card, as SVG: small, sharp, and the same on every machine."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

FUNNEL_CHART, LENGTH_CHART = "funnel.svg", "words.svg"
_WIDTH, _ROW, _LABEL = 720, 24, 170
_KEPT, _REFUSED, _MERGED, _INK = "#2f6f9f", "#b5533c", "#d9a441", "#333333"
_LONGEST = 60
"""Words from which on prompts share one bar."""


def write_charts(stats: dict[str, Any], words: pl.Series, folder: Path) -> None:
    """The two charts that the card shows.

    Args:
        stats: `statistics.Statistics.result`.
        words: [prompts] how many words each has.
    """
    (folder / FUNNEL_CHART).write_text(_funnel(stats), encoding="utf-8")
    counts = dict(words.clip(0, _LONGEST).value_counts(name="count").iter_rows())
    (folder / LENGTH_CHART).write_text(_bars([counts.get(n, 0) for n in range(_LONGEST + 1)]), encoding="utf-8")


def _funnel(stats: dict[str, Any]) -> str:
    """What came in and what is left; below, on a scale of their own, the rows that each step took."""
    read, prompts = stats["read"], stats["prompts"]
    lost = [(f"− {name}", count, _REFUSED) for name, count in stats["refused"].items()]
    lost += [(f"− {name}", count, _MERGED) for name, count in stats["merged"].items()]
    shapes = [_text(20, 20, f"From {read:,} rows to {prompts:,} prompts", "start", bold=True)]
    shapes += _rows([("read", read, _KEPT), ("prompts", prompts, _KEPT)], 34, read)
    top = 34 + 2 * _ROW + 12
    if lost:
        shapes.append(_text(20, top + 12, "Rows that each step took, on a scale of their own", "start", bold=True))
        for x, name, colour in ((420, "refused", _REFUSED), (500, "merged", _MERGED)):
            shapes += [
                f'<rect x="{x}" y="{top + 2}" width="12" height="12" fill="{colour}"/>',
                _text(x + 18, top + 12, name, "start"),
            ]
        shapes += _rows(lost, top + 26, read)
        top += 26 + len(lost) * _ROW
    return _svg(top + 8, shapes)


def _rows(bars: Sequence[tuple[str, int, str]], top: int, whole: int) -> list[str]:
    """Bars below each other, the longest as long as there is room, with their numbers and shares of the whole."""
    scale = (_WIDTH - _LABEL - 120) / max(max(count for _, count, _ in bars), 1)
    shapes = []
    for index, (name, count, colour) in enumerate(bars):
        y = top + index * _ROW
        shapes += [
            _text(_LABEL - 8, y + 12, name, "end"),
            f'<rect x="{_LABEL}" y="{y}" width="{max(count * scale, 1):.1f}" height="16" fill="{colour}"/>',
            _text(_LABEL + count * scale + 7, y + 12, f"{count:,} ({_share(count / max(whole, 1))})", "start"),
        ]
    return shapes


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


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


def _text(x: float, y: float, text: str, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}"{weight}>{escape(text)}</text>'


def _svg(height: int, shapes: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
