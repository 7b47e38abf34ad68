"""The mesh renderer: the surface of a triplane's field, rasterised, with colours looked up at every covered pixel.

Legend: B prompts, V views, N = B*V, H and W pixels, n grid points along an edge, M covered pixels.
"""

from functools import lru_cache

import torch
from torch import Tensor

from prd.config import MeshConfig
from prd.fields import TriplaneFields
from prd.mesh import vertex_normals
from prd.render.gradient import scale_gradient
from prd.render.isosurface import Surface, extract_surface, guard_sign
from prd.render.parts import in_parts, points_at_once
from prd.render.raster import Rasterizer, rasterizer_for
from teachers.cameras import Cameras
from teachers.maps import RenderedViews, disparity_map, normal_map


def render_mesh(
    fields: TriplaneFields,
    cameras: Cameras,  # N, prompt-major
    background: Tensor,  # [N, 3]
    config: MeshConfig,
) -> RenderedViews:
    """Render all views of all prompts.

    Gradients of the pictures reach the colours in full, the geometry times the factors of `config`.
    """
    prompts = fields.planes.shape[0]
    rasterizer = rasterizer_for(fields.planes.device)
    views = len(cameras) // prompts
    pictures = []
    for prompt in range(prompts):
        mine = slice(prompt * views, (prompt + 1) * views)
        one = fields[prompt]
        surface = field_surface(one, config.surface_resolution, config.sdf_gradient, config.deformation_gradient)
        pictures.append(_render_one(one, surface, cameras[mine], background[mine], config.resolution, rasterizer))
    return RenderedViews(
        *(torch.cat([getattr(one, name) for one in pictures]) for name in RenderedViews.__dataclass_fields__)
    )


def field_surface(
    fields: TriplaneFields,  # B = 1
    resolution: int,
    sdf_gradient: float = 1.0,
    deformation_gradient: float = 1.0,
) -> Surface:
    """The zero level of one prompt's distance field on a deformed grid of `resolution`³ points. Never empty: a field
    without a sign change is bent until it has one."""
    sdf, deformation = query_grid(fields, resolution)
    sdf = guard_sign(scale_gradient(sdf, sdf_gradient))
    return extract_surface(sdf, scale_gradient(deformation, deformation_gradient))


def query_grid(fields: TriplaneFields, resolution: int) -> tuple[Tensor, Tensor]:  # B = 1
    """Signed distance `[n, n, n]` and deformation `[n, n, n, 3]` on a grid."""
    grid = grid_points(resolution, fields.planes.device)
    points = grid.view(1, -1, 3)
    sdf, deformation = in_parts(fields.sdf_and_deformation, (points,), points_at_once(grid.device))
    return sdf.view(grid.shape[:-1]), deformation.view(grid.shape)


@lru_cache(maxsize=4)
def grid_points(resolution: int, device: torch.device) -> Tensor:  # -> [n, n, n, 3]
    """Points of a regular grid over the cube [-1, 1]^3, borders included; indices are x, y, z."""
    axis = torch.linspace(-1, 1, resolution, device=device)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def _render_one(
    fields: TriplaneFields,
    surface: Surface,
    cameras: Cameras,  # V
    background: Tensor,  # [V, 3]
    size: int,
    rasterizer: Rasterizer,
) -> RenderedViews:
    vertices, faces = surface.vertices, surface.faces
    clip = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=-1) @ cameras.mvp(size, size).mT  # [V, n, 4]
    raster = rasterizer.rasterize(clip, faces, size, size)
    attributes = torch.cat([vertices, vertex_normals(vertices, faces)], dim=-1)
    position, normal = rasterizer.interpolate(attributes, raster, faces).split(3, dim=-1)  # [V, H, W, 3]
    covered = raster.triangle > 0  # [V, H, W]
    mask = covered.unsqueeze(-1).to(position.dtype)

    colour = torch.zeros_like(position)
    colour[covered] = fields.colour(position[covered].unsqueeze(0)).squeeze(0)  # only M points are looked up
    depth = (position - cameras.position.view(-1, 1, 1, 3)).norm(dim=-1, keepdim=True)
    maps = torch.cat(
        [
            torch.lerp(background.view(-1, 1, 1, 3).expand_as(colour), colour, mask),
            normal_map(normal, mask, cameras),
            disparity_map(depth * mask, mask, cameras.distance),
            mask,
        ],
        dim=-1,
    )
    return RenderedViews(*rasterizer.antialias(maps, raster, clip, faces).split((3, 3, 1, 1), dim=-1))
