"""A texture for a mesh: charts without overlap, with the surface's colours baked into them.

Legend: N vertices, M after unwrapping, F faces, S texture size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from prd.mesh import Mesh
from prd.render.raster import rasterizer_for

if TYPE_CHECKING:
    from PIL.Image import Image

ColourAt = Callable[[Tensor], Tensor]
"""Colours `[M, 3]` in [0, 1] of surface points `[M, 3]`."""

_GUTTER = 4
"""Texels between charts; half of it is filled with the charts' colours, so that filtering does not bleed."""


@dataclass(frozen=True)
class Textured:
    """A mesh cut along the borders of its charts. Faces are the mesh's own, in order."""

    origin: Tensor  # [M] the mesh's vertex behind each
    faces: Tensor  # [F, 3] int64
    uv: Tensor  # [M, 2] in [0, 1], v upwards
    picture: "Image"  # S by S, row 0 at v = 1


def textured(mesh: Mesh, size: int, colour_at: ColourAt | None = None) -> Textured:
    """Unwrap a mesh and bake its texture.

    Args:
        mesh: not empty.
        size: side of the square texture.
        colour_at: for a texture finer than the vertices; by default their colours are interpolated.
    """
    from PIL import Image

    origin, faces, uv = _unwrap(mesh, size)
    texture = _bake(mesh, origin, faces, uv, size, colour_at)
    return Textured(origin, faces, uv, Image.fromarray((texture * 255).round().byte().numpy()))


def _unwrap(mesh: Mesh, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Charts without overlap: for each new vertex its old one `[M]` and its place `[M, 2]` in [0, 1], v upwards;
    faces `[F, 3]`."""
    import xatlas

    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.numpy(), mesh.faces.numpy().astype("uint32"))
    packing = xatlas.PackOptions()
    packing.resolution = size
    packing.padding = _GUTTER
    atlas.generate(pack_options=packing)
    origin, faces, uv = atlas[0]
    return (
        torch.from_numpy(array.astype(kind)) for array, kind in ((origin, "int64"), (faces, "int64"), (uv, "float32"))
    )  # type: ignore[return-value]


def _bake(
    mesh: Mesh,
    origin: Tensor,  # [M]
    faces: Tensor,  # [F, 3]
    uv: Tensor,  # [M, 2]
    size: int,
    colour_at: ColourAt | None,
) -> Tensor:  # [S, S, 3] in [0, 1], row 0 at v = 1
    rasterizer = rasterizer_for(torch.device("cpu"))
    flat = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.zeros(len(uv)), torch.ones(len(uv))], dim=-1)
    raster = rasterizer.rasterize(flat.unsqueeze(0), faces, size, size)
    attributes = torch.cat([mesh.vertices, mesh.colours], dim=-1)[origin]
    points, colours = rasterizer.interpolate(attributes, raster, faces)[0].split(3, dim=-1)
    covered = raster.triangle[0] > 0
    texture = torch.where(covered.unsqueeze(-1), colours, mesh.colours.mean(dim=0))
    if colour_at is not None:
        texture[covered] = colour_at(points[covered]).to(texture)
    return _fill_gutter(texture, covered).clamp(0, 1)


def _fill_gutter(texture: Tensor, covered: Tensor) -> Tensor:  # [S, S, 3], [S, S] bool
    """Let the colours at the borders of charts run out into the space between them."""
    picture, known = texture.permute(2, 0, 1).unsqueeze(0), covered.to(texture.dtype).view(1, 1, *covered.shape)
    for _ in range(_GUTTER // 2):
        near = F.avg_pool2d(known, 3, stride=1, padding=1)
        spread = F.avg_pool2d(picture * known, 3, stride=1, padding=1) / near.clamp_min(1e-6)
        grown = (known == 0) & (near > 0)
        picture = torch.where(grown, spread, picture)
        known = torch.where(grown, torch.ones_like(known), known)
    return picture.squeeze(0).permute(1, 2, 0)
