"""`report.html`: one file that shows every mesh beside its prompt. No script, no outside resource, light and dark.

Prompts are hostile text: the template escapes everything, and the page's own policy forbids scripts and requests.
"""

import base64
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evaluation.report import PAGE, EvaluationReport, MeshResult

_THUMBNAIL = 224  # pixels; shown at half to full size
_QUALITY = 78
_BINS = 24


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram, in percent of its width and height."""

    left: float
    width: float
    height: float
    label: str


def write_page(report: EvaluationReport, folder: Path) -> Path:
    """Write `report.html` from a report and the pictures beside it."""
    path = folder / PAGE
    path.write_text(render_page(report, folder), encoding="utf-8")
    return path


def render_page(report: EvaluationReport, folder: Path) -> str:
    """The page as HTML; pictures are read from `folder` and go into the page as small WebP images."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    worst_first = sorted(report.meshes, key=lambda mesh: (mesh.failure is None, mesh.clip_score, mesh.index))
    return environment.get_template("page.html").render(
        report=report,
        rows=worst_first,
        state=_state,
        states=_count_states(report),
        best_score=max((mesh.clip_score for mesh in report.meshes), default=0.0) or 1.0,
        bars=_histogram([mesh.clip_score for mesh in report.meshes]),
        thumbnail=lambda name: _thumbnail(folder / name),
        duration=_duration,
    )


def _state(mesh: MeshResult) -> str:
    if mesh.failure is not None:
        return "failed"
    return "hit" if mesh.rank == 1 else "missed"


def _count_states(report: EvaluationReport) -> dict[str, int]:
    found = Counter(map(_state, report.meshes))
    return {state: found[state] for state in ("failed", "missed", "hit")}


def _histogram(values: list[float]) -> list[Bar]:
    top = max(values, default=0.0) or 1.0
    counts = [0] * _BINS
    for value in values:
        counts[min(int(value / top * _BINS), _BINS - 1)] += 1
    step, most = 100 / _BINS, max(counts)
    return [
        Bar(
            left=number * step,
            width=step,
            height=100 * count / most,
            label=f"{top * number / _BINS:.1f} to {top * (number + 1) / _BINS:.1f}: {count}",
        )
        for number, count in enumerate(counts)
    ]


def _thumbnail(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        small = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
