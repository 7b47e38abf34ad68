"""Meshes to files: GLB, OBJ and PLY, with a texture or with vertex colours.

Legend: N vertices, F faces, S texture size.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from infra.errors import InputError
from prd.mesh import Mesh
from prd.render.raster import rasterizer_for

if TYPE_CHECKING:
    import trimesh

SUFFIXES = (".glb", ".obj", ".ply")
_GUTTER = 4
"""Texels between charts; half of it is filled with the charts' colours, so that filtering does not bleed."""


def write_mesh(
    mesh: Mesh,
    path: Path,
    texture_size: int | None = None,
    colour_at: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Write a mesh in the format that the suffix names.

    GLB is written with y up and the front at +z, as its standard wants; OBJ and PLY keep z up and the front at +x.
    OBJ puts `.mtl` and `.png` of the same name beside itself. PLY holds vertex colours only.

    Args:
        mesh: not empty.
        path: ends with `.glb`, `.obj` or `.ply`; its folder exists.
        texture_size: side of a square texture, unwrapped and baked; None for vertex colours.
        colour_at: colours `[M, 3]` in [0, 1] of surface points `[M, 3]`, for a texture finer than the vertices;
            by default their colours are interpolated.

    Raises:
        InputError: another suffix, or an empty mesh.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is of no known mesh format", f"end it with one of {', '.join(SUFFIXES)}")
    if mesh.is_empty:
        raise InputError(f"there is no surface to write to {path}")
    if texture_size is None or path.suffix == ".ply":
        written = mesh.to_trimesh()
    else:
        written = _textured(mesh, texture_size, colour_at, name=path.stem)
    if path.suffix == ".glb":
        written.apply_transform([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    options = {"mtl_name": f"{path.stem}.mtl"} if path.suffix == ".obj" and texture_size else {}
    written.export(path, **options)


def _textured(mesh: Mesh, size: int, colour_at: Callable[[Tensor], Tensor] | None, name: str) -> "trimesh.Trimesh":
    import trimesh
    from PIL import Image
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    origin, faces, uv = _unwrap(mesh, size)
    texture = _bake(mesh, origin, faces, uv, size, colour_at)
    picture = Image.fromarray((texture * 255).round().byte().numpy())
    material = PBRMaterial(name=name, baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0)
    return trimesh.Trimesh(
        mesh.vertices[origin].numpy(),
        faces.numpy(),
        visual=TextureVisuals(uv=uv.numpy(), material=material),
        process=False,
    )


def _unwrap(mesh: Mesh, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Charts without overlap: for each new vertex its old one `[N']` and its place `[N', 2]` in [0, 1], v upwards;
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
    origin: Tensor,  # [N']
    faces: Tensor,  # [F, 3]
    uv: Tensor,  # [N', 2]
    size: int,
    colour_at: Callable[[Tensor], Tensor] | None,
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
