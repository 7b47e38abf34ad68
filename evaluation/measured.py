"""What was measured of a mesh whose true shape and colours are known: parts of `report.json`."""

from collections.abc import Iterable, Sequence
from typing import Literal

from infra.config import Config


class PartTruth(Config):
    """One part of an object: what was asked for and what is there."""

    part: Literal["body", "nose", "below"]
    """`below`: what the body stands on."""
    colour: str
    """Asked for."""
    colour_found: str | None
    """The named colour nearest to what is there; null when nothing is."""
    solid: str | None
    """Asked for; null for a nose, which has one shape only."""
    solid_found: str | None
    """The solid that fits best in its place; null when none fits at all, or two alike."""

    @property
    def colour_is_right(self) -> bool:
        return self.colour_found == self.colour

    @property
    def solid_is_right(self) -> bool:
        return self.solid_found == self.solid


class MeshTruth(Config):
    """One mesh against the object that its prompt describes."""

    iou: float
    """Intersection over union with the true solid, in [0, 1]."""
    parts: tuple[PartTruth, ...]
    mark_seen_deg: tuple[float, ...] | None
    """Azimuths, of 0, 90, 180 and 270, where the mark on the front is seen; null when the prompt has none."""

    @property
    def mark_is_right(self) -> bool:
        return self.mark_seen_deg == (0.0,)


class TruthSummary(Config):
    """Over all meshes, failed ones included as 0 and as misses. Null where there was nothing to measure."""

    meshes: int
    """How many were measured."""
    outside: int
    """Meshes that were not, because their prompt is outside of the world's language."""
    iou: float | None
    """Mean, in [0, 1]."""
    colours: int
    """Parts with a colour: all."""
    colour_accuracy: float | None
    """Share of these that have the right one, in percent."""
    solids: int
    """Parts with a shape: all but noses."""
    shape_accuracy: float | None
    """Share of these that have the right one, in percent."""
    marks: int
    """Meshes whose prompt has a mark on the front."""
    mark_in_front_only: float | None
    """Share of these where it is seen from the front and from no other side, in percent."""
    mark_views: float | None
    """Mean number of sides, of four, that it is seen from; 1 is right."""


def summarise(measured: Iterable[MeshTruth | None]) -> TruthSummary:
    """The summary of all meshes; None is one whose prompt is outside."""
    found = list(measured)
    meshes = [one for one in found if one is not None]
    parts = [part for one in meshes for part in one.parts]
    solids = [part for part in parts if part.solid is not None]
    marks = [one for one in meshes if one.mark_seen_deg is not None]
    return TruthSummary(
        meshes=len(meshes),
        outside=len(found) - len(meshes),
        iou=_mean([one.iou for one in meshes]),
        colours=len(parts),
        colour_accuracy=_mean([100.0 * part.colour_is_right for part in parts]),
        solids=len(solids),
        shape_accuracy=_mean([100.0 * part.solid_is_right for part in solids]),
        marks=len(marks),
        mark_in_front_only=_mean([100.0 * one.mark_is_right for one in marks]),
        mark_views=_mean([float(len(one.mark_seen_deg or ())) for one in marks]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
