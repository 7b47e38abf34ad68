"""Signed distances of the miniature world against surfaces sampled densely, and how its parts are put together."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from infra.seeds import generator_for
from teachers.miniature.album import SHAPES
from teachers.miniature.scene import SOLIDS, Scene
from teachers.miniature.solids import Part, distances, normals, parts_of
from teachers.miniature.world import BOUND

STACKED = [(upper, lower) for upper, _, lower in SHAPES if lower]
APART = {("sphere", "torus"), ("capsule", "torus"), ("torus", "sphere"), ("torus", "capsule"), ("torus", "cone")}
"""A hole above or below a round end: these hover over each other, at the height where flat ones would touch."""

SPACING = 1e-3


def line(*corners: tuple[float, float]) -> Tensor:
    """Points along straight pieces."""
    pieces = []
    for start, end in pairwise(corners):
        steps = torch.linspace(0, 1, math.ceil(math.dist(start, end) / SPACING) + 1, dtype=torch.float64)[:, None]
        pieces.append(torch.tensor(start) * (1 - steps) + torch.tensor(end) * steps)
    return torch.cat(pieces)


def arc(r: float, z: float, radius: float, start: float, end: float) -> Tensor:
    """Points along a part of a circle in the half-plane, from angle to angle in degrees."""
    angle = torch.deg2rad(torch.linspace(start, end, math.ceil(2 * math.pi * radius / SPACING), dtype=torch.float64))
    return torch.stack([r + radius * angle.cos(), z + radius * angle.sin()], dim=-1)


PROFILES = {
    # Of the solids of revolution: the curve (r, z) that turns around the axis.
    "sphere": arc(0, 0, 1, -90, 90),
    "nose": arc(0, 0, 1, -90, 90),
    "cylinder": line((0, 0.92), (0.72, 0.92), (0.72, -0.92), (0, -0.92)),
    "cone": line((0, 1), (0.95, -1), (0, -1)),
    "torus": arc(0.72, 0, 0.3, -180, 180),
    "capsule": torch.cat([arc(0, 0.48, 0.52, 0, 90), line((0.52, 0.48), (0.52, -0.48)), arc(0, -0.48, 0.52, -90, 0)]),
}


def is_inside(solid: str, p: Tensor) -> Tensor:  # [N, 3] -> [N]
    r, z = p[:, :2].norm(dim=-1), p[:, 2]
    match solid:
        case "cube":
            return p.abs().amax(-1) < 0.78
        case "cylinder":
            return (r < 0.72) & (z.abs() < 0.92)
        case "cone":
            return (z > -1) & (r < 0.95 * (1 - z) / 2)
        case "torus":
            return (r - 0.72).square() + z.square() < 0.3**2
        case "capsule":
            return r.square() + (z.abs() - 0.48).clamp(min=0).square() < 0.52**2
        case _:
            return p.norm(dim=-1) < 1


def to_samples(solid: str, p: Tensor) -> Tensor:  # [N, 3] -> [N]
    """Distance to the nearest of many points on the surface."""
    if solid == "cube":
        # The octant in which the point is holds its nearest one, up to turns: three faces, each a grid.
        side = torch.linspace(0, 0.78, 160, dtype=p.dtype)
        face = torch.cat([torch.cartesian_prod(side, side), torch.full((len(side) ** 2, 1), 0.78, dtype=p.dtype)], -1)
        return torch.stack([torch.cdist(p.abs(), face.roll(turn, -1)).amin(-1) for turn in range(3)]).amin(0)
    return torch.cdist(torch.stack([p[:, :2].norm(dim=-1), p[:, 2]], dim=-1), PROFILES[solid]).amin(-1)


def cloud(purpose: str, count: int, reach: float) -> Tensor:  # [count, 3]
    """Points all over a cube around the origin."""
    return (2 * torch.rand(count, 3, generator=generator_for(0, purpose), dtype=torch.float64) - 1) * reach


@pytest.mark.parametrize("solid", [*SOLIDS, "nose"])
def test_distances_are_exact_inside_and_outside(solid):
    part = Part(solid, "red", centre=(0.1, -0.2, 0.3), size=0.5)
    local = cloud(solid, 1000, 1.3)
    found = part.distance(local * 0.5 + torch.tensor(part.centre)) / 0.5
    inside = is_inside(solid, local)
    assert 50 < inside.sum() < 900
    assert torch.equal(found < 0, inside)
    tolerance = 4e-3 if solid == "cube" else SPACING
    torch.testing.assert_close(found.abs(), to_samples(solid, local), atol=tolerance, rtol=0)


@pytest.mark.parametrize("solid", [*SOLIDS, "nose"])
def test_distances_grow_by_one_a_unit_everywhere(solid):
    points = cloud(solid, 2000, 1.6).requires_grad_()
    (gradient,) = torch.autograd.grad(Part(solid, "red", (0.0, 0.0, 0.0), 0.7).distance(points).sum(), points)
    torch.testing.assert_close(gradient.norm(dim=-1), torch.ones(2000, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "scene", [*(Scene("red", solid) for solid in SOLIDS), Scene("red", "cube", nose="blue")], ids=str
)
def test_normals_point_straight_outwards(scene):
    parts = parts_of(scene)
    points = cloud("normals", 2000, 0.9)
    points = points[distances(parts, points).amin(-1) > 0]
    for _ in range(2):  # from there to the surface, or a hair in front of it
        points = points - (distances(parts, points).amin(-1, keepdim=True) - 1e-4) * normals(parts, points)
    found = normals(parts, points)
    step = 0.05
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(len(points), dtype=torch.float64))
    for solid, part in enumerate(parts):
        mine = distances(parts, points).argmin(-1) == solid
        assert mine.sum() > 20
        further = part.distance(points[mine] + step * found[mine])
        torch.testing.assert_close(further, torch.full_like(further, step + 1e-4), atol=1e-6, rtol=0)


def test_a_point_is_of_the_nearest_part():
    upper, lower = parts_of(Scene("red", "cube", below=("blue", "sphere")))
    assert (upper.solid, upper.colour, lower.solid, lower.colour) == ("cube", "red", "sphere", "blue")
    found = distances([upper, lower], torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]]))
    assert found.argmin(-1).tolist() == [0, 1] and (found.amin(-1) < 0).all()


@pytest.mark.parametrize("names", STACKED, ids="-on-".join)
def test_stacked_parts_touch_and_share_nothing(names):
    parts = parts_of(Scene("red", names[0], below=("blue", names[1])))
    # Both are symmetric under quarter turns and reflections: half a plane through the axis shows it all, but for cubes.
    r, z = torch.linspace(0, 0.5, 251), torch.linspace(-0.8, 0.8, 801)
    plane = torch.cartesian_prod(r, torch.zeros(1), z)
    found = distances(parts, plane)
    assert found.amax(-1).min() > -1e-6, "no point is inside both"

    solid = plane[found.amin(-1) <= 0]
    upper, lower = (plane[found[:, part] <= 0][:, 2] for part in (0, 1))
    assert upper.min().item() == pytest.approx(lower.max().item(), abs=5e-3), "one begins where the other ends"
    assert solid[:, 2].max().item() == pytest.approx(-solid[:, 2].min().item(), abs=5e-3), "the middle is the origin"
    gap = found.sum(-1)[(found >= -1e-6).all(-1)].min()
    assert gap > 0.05 if names in APART else gap < 5e-3


@pytest.mark.parametrize("solid", SOLIDS)
def test_a_nose_looks_out_of_the_front_only(solid):
    body, nose = parts_of(Scene("red", solid, nose="blue"))
    assert (body.centre, nose.solid, nose.colour) == ((0.0, 0.0, 0.0), "nose", "blue")
    points = torch.tensor(nose.centre) + cloud("nose", 20_000, nose.size)
    inside = points[nose.distance(points) < 0]
    seen = inside[body.distance(inside) > 0]
    assert 0.1 < len(seen) / len(inside) < 0.5, "most of it is held by the body"
    assert seen[:, 0].min() > 0.1
    tip = torch.tensor([[nose.centre[0] + nose.size, 0.0, 0.0]])
    assert 0.05 < body.distance(tip).item() <= 0.101


def test_everything_is_inside_the_sphere_that_tracing_assumes():
    points = torch.nn.functional.normalize(cloud("bound", 20_000, 1.0), dim=-1) * BOUND
    for solid, nose, below in SHAPES:
        parts = parts_of(Scene("red", solid, "blue" if nose else None, ("blue", below) if below else None))
        assert distances(parts, points).min() > 0.03
