"""How seconds and memory grow with the rows, as a picture."""

from collections.abc import Sequence

from benchmarks.dedup.measuring import Cost

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 300, 200, 60, 30, 90
_STYLE = "font-family: sans-serif; font-size: 11px"


def growth_chart(costs: Sequence[tuple[int, Cost]]) -> str:
    """SVG: CPU seconds and gigabytes over rows, both from 0; dashed what would be linear from the last but one.

    Args:
        costs: of builds of so many rows, ascending.
    """
    rows = [count for count, _ in costs]
    seconds, gigabytes = [cost.cpu for _, cost in costs], [cost.gigabytes for _, cost in costs]
    own = [cost.own_gigabytes for _, cost in costs]
    linear = [count * seconds[-2:][0] / rows[-2:][0] for count in rows]
    width, height = 2 * (_WIDTH + _LEFT + _GAP), _HEIGHT + 2 * _TOP + 20
    panels = [
        _panel(0, rows, "CPU seconds", {"measured": seconds, "linear": linear}),
        _panel(_LEFT + _WIDTH + _GAP, rows, "gigabytes", {"resident": gigabytes, "but for files": own}),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" style="{_STYLE}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n'
    )


def _panel(offset: int, rows: Sequence[int], title: str, lines: dict[str, list[float]]) -> str:
    """Two lines over rows; the second is dashed."""
    highest = max(max(values) for values in lines.values())
    left, bottom = offset + _LEFT, _TOP + _HEIGHT

    def place(count: float, value: float) -> tuple[float, float]:
        return left + _WIDTH * count / rows[-1], bottom - _HEIGHT * value / highest

    shapes = [f'<path d="M{left},{_TOP}V{bottom}H{left + _WIDTH}" fill="none" stroke="#333"/>']
    shapes.append(f'<text x="{left}" y="{_TOP - 10}" font-weight="bold">{title}</text>')
    shapes.append(f'<text x="{left - 6}" y="{_TOP + 4}" text-anchor="end">{highest:.3g}</text>')
    shapes.append(f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>')
    for count in rows:
        x, _ = place(count, 0)
        shapes.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{count / 1e6:g}M</text>')
    for index, (name, values) in enumerate(lines.items()):
        points = [place(count, value) for count, value in zip(rows, values, strict=True)]
        dashes, colour = (' stroke-dasharray="4 3"', "#888") if index else ("", "#2f6f9f")
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [place(0, 0) if name == "linear" else points[0], *points])
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}"{dashes}/>')
        shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        shapes.append(f'<text x="{x + 6:.1f}" y="{y + 4 + 12 * index:.1f}" fill="{colour}">{name}</text>')
    return "".join(shapes)
