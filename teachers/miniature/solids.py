"""Signed distances of the miniature world's solids, exact, in world units, negative inside.

All stand upright around the z axis. Legend: N points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachers.miniature.scene import Scene


@dataclass(frozen=True)
class Part:
    """One solid of an object."""

    solid: str
    """Its name, or `nose`."""
    colour: str
    centre: tuple[float, float, float]
    size: float
    """World units for one unit of the solid's own measures."""

    def distance(self, points: Tensor) -> Tensor:  # [N, 3] -> [N]
        local = (points - points.new_tensor(self.centre)) / self.size
        return _DISTANCES[self.solid](local) * self.size


ALONE, STACKED = 0.6, 0.38
"""Sizes of a solid on its own and of each of two."""

_NOSE_RADIUS, _NOSE_INSET = 0.22, 0.12


def parts_of(scene: Scene) -> list[Part]:
    """The solids of a scene: the thing itself, then its nose or what it stands on. Centred on the origin."""
    if scene.below is None:
        parts = [Part(scene.solid, scene.colour, (0.0, 0.0, 0.0), ALONE)]
        if scene.nose:
            front = _FRONT[scene.solid] * ALONE - _NOSE_INSET
            parts.append(Part("nose", scene.nose, (front, 0.0, 0.0), _NOSE_RADIUS))
        return parts
    below_colour, below = scene.below
    upper, lower = _HALF_HEIGHT[scene.solid] * STACKED, _HALF_HEIGHT[below] * STACKED
    return [
        Part(scene.solid, scene.colour, (0.0, 0.0, lower), STACKED),
        Part(below, below_colour, (0.0, 0.0, -upper), STACKED),
    ]


def distances(parts: Sequence[Part], points: Tensor) -> Tensor:  # [N, 3] -> [N, len(parts)]
    """Signed distance to every part; the object's is the smallest."""
    return torch.stack([part.distance(points) for part in parts], dim=-1)


def normals(parts: Sequence[Part], points: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
    """Outward unit normals at points on the surface: the derivative of the exact distance."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(distances(parts, points).amin(-1).sum(), points)
    return torch.nn.functional.normalize(gradient, dim=-1)


def _sphere(p: Tensor) -> Tensor:
    return p.norm(dim=-1) - 1.0


def _cube(p: Tensor) -> Tensor:
    return _box(p.abs() - _CUBE_EDGE)


def _cylinder(p: Tensor) -> Tensor:
    return _box(torch.stack([p[..., :2].norm(dim=-1) - _CYLINDER_RADIUS, p[..., 2].abs() - _CYLINDER_HEIGHT], dim=-1))


def _cone(p: Tensor) -> Tensor:
    """A triangle turned around z: tip at z = 1, base of `_CONE_RADIUS` at z = -1."""
    r, z = p[..., :2].norm(dim=-1), p[..., 2]
    to_base = torch.stack([r - r.clamp(max=_CONE_RADIUS), z + 1.0], dim=-1)
    # Foot of the perpendicular on the slope, from the tip (0, 1) towards the rim (radius, -1).
    along = ((r * _CONE_RADIUS - (z - 1.0) * 2.0) / (_CONE_RADIUS**2 + 4.0)).clamp(0.0, 1.0)
    to_slope = torch.stack([r - along * _CONE_RADIUS, z - 1.0 + 2.0 * along], dim=-1)
    nearest = torch.minimum(to_base.square().sum(-1), to_slope.square().sum(-1)).clamp(min=1e-12).sqrt()
    inside = (z > -1.0) & (2.0 * r < _CONE_RADIUS * (1.0 - z))
    return torch.where(inside, -nearest, nearest)


def _torus(p: Tensor) -> Tensor:
    ring = p[..., :2].norm(dim=-1) - _TORUS_RING
    return torch.stack([ring, p[..., 2]], dim=-1).norm(dim=-1) - _TORUS_TUBE


def _capsule(p: Tensor) -> Tensor:
    straight = 1.0 - _CAPSULE_RADIUS
    return (
        torch.cat([p[..., :2], p[..., 2:] - p[..., 2:].clamp(-straight, straight)], dim=-1).norm(dim=-1)
        - _CAPSULE_RADIUS
    )


def _box(beyond: Tensor) -> Tensor:
    """Distance to a box from how far a point lies beyond each of its faces."""
    return beyond.clamp(min=0.0).norm(dim=-1) + beyond.amax(dim=-1).clamp(max=0.0)


_CUBE_EDGE = 0.78  # half of it
_CYLINDER_RADIUS, _CYLINDER_HEIGHT = 0.72, 0.92  # half the height
_CONE_RADIUS = 0.95
_TORUS_RING, _TORUS_TUBE = 0.72, 0.30
_CAPSULE_RADIUS = 0.52

_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "sphere": _sphere,
    "cube": _cube,
    "cylinder": _cylinder,
    "cone": _cone,
    "torus": _torus,
    "capsule": _capsule,
    "nose": _sphere,
}
_HALF_HEIGHT = {
    "sphere": 1.0,
    "cube": _CUBE_EDGE,
    "cylinder": _CYLINDER_HEIGHT,
    "cone": 1.0,
    "torus": _TORUS_TUBE,
    "capsule": 1.0,
}
_FRONT = {
    # How far the surface reaches towards +x at the height of the centre.
    "sphere": 1.0,
    "cube": _CUBE_EDGE,
    "cylinder": _CYLINDER_RADIUS,
    "cone": _CONE_RADIUS / 2,
    "torus": _TORUS_RING + _TORUS_TUBE,
    "capsule": _CAPSULE_RADIUS,
}
