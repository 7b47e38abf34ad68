"""Pictures of the miniature world: what an ideal renderer would show of a scene.

Colours lie before white and are softly lit from the camera; normals and disparity are the maps teachers look at.

Legend: V views, R picture size, P parts of an object, N rays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.cameras import Cameras
from teachers.maps import RenderedViews, disparity_map, normal_map
from teachers.miniature.scene import COLOURS, Scene
from teachers.miniature.solids import Part, distances, normals, parts_of

AMBIENT = 0.65
"""Brightness of a surface seen edge-on; one that faces the camera has 1."""

BOUND = 0.9
"""Radius of a sphere around every object."""

_MISS, _SORT_EVERY = 1e-3, 4
_STEPS = 128  # a ray along a face takes short ones: with half as many, some slip through edges


@dataclass(frozen=True)
class Layers:
    """Views of a shape whose parts have no colour yet."""

    shading: Tensor  # [V, P, R, R] brightness times coverage of each part
    normal: Tensor  # [V, 3, R, R]
    disparity: Tensor  # [V, 1, R, R]
    opacity: Tensor  # [V, 1, R, R]

    def paint(self, colours: Tensor) -> Tensor:  # [P, 3], or [V, P, 3] for views of several objects -> [V, 3, R, R]
        """The picture before white."""
        return paint(self.shading, self.opacity, colours)


def render(scenes: Sequence[Scene], cameras: Cameras, resolution: int, supersampling: int = 2) -> RenderedViews:
    """Look at scenes.

    Args:
        scenes: B of them.
        cameras: V for each scene, scene-major.
        resolution: R.
        supersampling: rays along each side of a pixel.

    Returns:
        Maps `[B*V, R, R, C]` as a renderer of the student makes them.
    """
    views = len(cameras) // len(scenes)
    pictures: list[tuple[Tensor, Layers]] = []
    for index, scene in enumerate(scenes):
        layers = look(parts_of(scene), cameras[index * views : (index + 1) * views], resolution, supersampling)
        pictures.append((layers.paint(palette(scene)), layers))

    def join(maps: list[Tensor]) -> Tensor:
        return torch.cat(maps).permute(0, 2, 3, 1).contiguous()

    return RenderedViews(
        rgb=join([rgb for rgb, _ in pictures]),
        normal=join([layers.normal for _, layers in pictures]),
        disparity=join([layers.disparity for _, layers in pictures]),
        opacity=join([layers.opacity for _, layers in pictures]),
    )


def paint(shading: Tensor, opacity: Tensor, colours: Tensor) -> Tensor:
    """Shading `[V, P, R, R]` and opacity `[V, 1, R, R]` in colours `[P, 3]` or `[V, P, 3]`, before white."""
    return torch.einsum("vphw,vpc->vchw", shading, colours.expand(len(shading), -1, -1)) + 1.0 - opacity


def palette(scene: Scene) -> Tensor:  # [P, 3]
    """Colours of the parts."""
    return torch.tensor([COLOURS[part.colour] for part in parts_of(scene)])


@torch.no_grad()
def look(parts: Sequence[Part], cameras: Cameras, resolution: int, supersampling: int = 2) -> Layers:
    """Views of one object from every camera."""
    size = resolution * supersampling
    origins, directions = (rays.reshape(-1, 3) for rays in cameras.rays(size, size))
    hit, depth, part = trace(parts, origins, directions)

    normal, brightness = torch.zeros_like(origins), torch.zeros(len(origins), len(parts))
    normal[hit] = normals(parts, origins[hit] + depth[hit, None] * directions[hit])
    facing = -(normal * directions).sum(-1).clamp(-1.0, 0.0)
    brightness[hit, part[hit]] = AMBIENT + (1 - AMBIENT) * facing[hit]

    def picture(values: Tensor) -> Tensor:  # [N, C] -> [V, size, size, C]
        return values.view(len(cameras), size, size, -1)

    def pixels(values: Tensor) -> Tensor:  # [V, size, size, C] -> [V, C, R, R]
        return F.avg_pool2d(values.permute(0, 3, 1, 2), supersampling)

    opacity = picture(hit.float())
    return Layers(
        shading=pixels(picture(brightness)),
        normal=pixels(normal_map(picture(normal), opacity, cameras)),
        disparity=pixels(disparity_map(picture(torch.where(hit, depth, 0.0)), opacity, cameras.distance)),
        opacity=pixels(opacity),
    )


@torch.no_grad()
def trace(parts: Sequence[Part], origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays `[N, 3]` first meet the object, by sphere tracing.

    Returns:
        Whether they do `[N]`, the distance along the ray `[N]`, and which part it is `[N]`; the last two mean nothing
        for a ray that misses.
    """
    middle = -(origins * directions).sum(-1)  # of the chord through the bounding sphere
    half_chord = (BOUND**2 - (origins + middle[:, None] * directions).square().sum(-1)).clamp(min=0).sqrt()
    depth, leave = middle - half_chord, middle + half_chord
    part = torch.zeros(len(origins), dtype=torch.int64)
    hit = torch.zeros(len(origins), dtype=torch.bool)

    alive = half_chord.nonzero()[:, 0]
    for _ in range(0, _STEPS, _SORT_EVERY):
        o, d, t, end = origins[alive], directions[alive], depth[alive], leave[alive]
        for _ in range(_SORT_EVERY):
            nearest, which = distances(parts, torch.addcmul(o, t[:, None], d)).min(-1)
            t = torch.where(nearest < _MISS, t, t + nearest)  # stays in front, where the distance has a derivative
        done = nearest < _MISS
        depth[alive], part[alive], hit[alive] = t, which, done
        alive = alive[~done & (t < end)]
        if not len(alive):
            break
    return hit, depth, part
