"""`report.html`: one file that shows every mesh beside its prompt. No script, no outside resource, light and dark.

Prompts are hostile text: the template escapes everything, and the page's own policy forbids scripts and requests.
"""

import base64
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evaluation.measured import MeshTruth, TruthSummary
from evaluation.report import (
    BEFORE_TRAINING,
    PAGE,
    EvaluationReport,
    MeshResult,
    ReferencePrompt,
    ReferenceResult,
    Scores,
)

_THUMBNAIL = 224  # pixels; shown at half to full size
_SMALL = 112  # of references; likewise
_QUALITY = 78
_BINS = 24


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram, in percent of its width and height."""

    left: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Line:
    """A line of the comparison."""

    name: str
    is_this: bool
    """Of the checkpoint that is evaluated."""
    cells: list[str]


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
        columns=[*_COLUMNS, *(_TRUE_COLUMNS if report.truth else [])],
        lines=_comparison(report),
        beside=_beside(report),
        findings=_findings,
        thumbnail=lambda name: _thumbnail(folder / name, _THUMBNAIL),
        small=lambda name: _thumbnail(folder / name, _SMALL),
        duration=_duration,
    )


def _state(mesh: MeshResult) -> str:
    if mesh.failure is not None:
        return "failed"
    return "hit" if mesh.rank == 1 else "missed"


def _count_states(report: EvaluationReport) -> dict[str, int]:
    found = Counter(map(_state, report.meshes))
    return {state: found[state] for state in ("failed", "missed", "hit")}


_COLUMNS = ["CLIP score", "R@1, %", "pooled, %"]
_TRUE_COLUMNS = ["colours, %", "shapes, %", "IoU", "nose in front only, %"]


def _comparison(report: EvaluationReport) -> list[Line]:
    """This checkpoint among its references; what came before it stands above it."""
    if not report.references and not report.truth:
        return []

    def line(name: str, of: EvaluationReport | ReferenceResult) -> Line:
        measured = _measured(of.truth) if report.truth else []
        return Line(name, of is report, [*_judged(of.scores), *measured])

    before = [line(one.name, one) for one in report.references if one.name == BEFORE_TRAINING]
    others = [line(one.name, one) for one in report.references if one.name != BEFORE_TRAINING]
    return [*before, line("this checkpoint", report), *others]


def _judged(scores: Scores) -> list[str]:
    return [f"{score.x100:.1f}" for score in (scores.clip_score, scores.r_at_1, scores.r_at_1_pooled)]


def _measured(truth: TruthSummary | None) -> list[str]:
    if truth is None:
        return ["–"] * len(_TRUE_COLUMNS)
    percents = [truth.colour_accuracy, truth.shape_accuracy, truth.mark_in_front_only]
    colours, shapes, mark = ("–" if value is None else f"{value:.1f}" for value in percents)
    return [colours, shapes, "–" if truth.iou is None else f"{truth.iou:.2f}", mark]


def _findings(truth: MeshTruth) -> list[tuple[bool, str]]:
    """What was measured of a mesh, in words, and whether it is right."""
    found = []
    for part in truth.parts:
        asked = f"{part.colour} {part.solid or 'nose'}"
        wrong = [] if part.colour_is_right else [part.colour_found or "no colour"]
        if part.solid and not part.solid_is_right:
            wrong.append(part.solid_found or "no shape")
        found.append((not wrong, f"{asked}: {' '.join(wrong)}" if wrong else asked))
    if truth.mark_seen_deg is not None:
        sides = ", ".join(f"{side:g}°" for side in truth.mark_seen_deg)
        found.append((truth.mark_is_right, f"nose seen from {sides}" if sides else "nose not seen"))
    return found


def _beside(report: EvaluationReport) -> dict[str, list[tuple[str, ReferencePrompt]]]:
    """Prompt → the references that show it, by name."""
    shown: dict[str, list[tuple[str, ReferencePrompt]]] = {}
    for reference in report.references:
        for one in reference.prompts:
            shown.setdefault(one.prompt, []).append((reference.name, one))
    return shown


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


def _thumbnail(path: Path, size: int) -> str:
    from PIL import Image

    with Image.open(path) as image:
        small = image if image.width <= size else image.resize((size, size), Image.Resampling.LANCZOS)
        small.load()
    data = io.BytesIO()
    small.save(data, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
