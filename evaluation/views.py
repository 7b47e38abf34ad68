"""A mesh as evaluation sees it: unlit vertex colours before a plain background, never mirrored.

Legend: V views, N vertices, F faces, C channels, H rows and W columns of the image, row 0 at its top.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.config import ViewsConfig
from prd.mesh import Mesh, vertex_normals
from prd.render.raster import rasterizer_for
from teachers.cameras import Cameras, orbit

_AMBIENT = 0.3  # of the clay picture, so that grazing faces do not go black


@dataclass(frozen=True)
class Views:
    """Pictures of one mesh, on the CPU."""

    colour: Tensor  # [V, H, W, 3] uint8, what CLIP judges
    shape: Tensor  # [H, W, 3] uint8, the first view as grey clay lit from the camera; for people


def why_unusable(mesh: Mesh) -> str:
    """Why a mesh cannot be looked at; empty when it can."""
    if mesh.is_empty:
        return "the mesh is empty"
    if not (mesh.vertices.isfinite().all() and mesh.colours.isfinite().all()):
        return "the mesh has values that are not finite"
    low, high = mesh.bounds
    if float((high - low).max()) == 0.0:
        return "the mesh has no extent"
    return ""


@torch.inference_mode()
def render_views(mesh: Mesh, config: ViewsConfig, device: torch.device | str = "cpu") -> Views:
    """Look at a usable mesh from every azimuth. Front view (azimuth 0): +y is right and +z is up."""
    size = config.resolution
    mesh = mesh.normalised(config.longest_side)
    vertices, faces = mesh.vertices.to(device), mesh.faces.to(device)
    cameras = orbit(torch.tensor(config.azimuths_deg), config.elevation_deg, config.distance, config.fov_deg)
    towards_camera = cameras.c2w[0, :3, 2].to(device)

    light = (vertex_normals(vertices, faces) @ towards_camera).abs()  # [N], from both sides
    grey = (_AMBIENT + (1 - _AMBIENT) * light).mul(0.85)[:, None].expand(-1, 3)
    attributes = torch.cat([mesh.colours.to(device), grey], dim=-1)  # [N, 6]
    background = torch.tensor(config.background, device=device).repeat(2)
    image = draw(vertices, faces, attributes, background, cameras, size)  # [V, H, W, 6]
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return Views(colour=pixels[..., :3].contiguous(), shape=pixels[0, ..., 3:].contiguous())


@torch.inference_mode()
def draw(
    vertices: Tensor,  # [N, 3]
    faces: Tensor,  # [F, 3] int64
    attributes: Tensor,  # [N, C]
    background: Tensor,  # [C]
    cameras: Cameras,  # V, on any device
    size: int,
) -> Tensor:  # [V, H, W, C]
    """Vertex attributes as square pictures with smooth silhouettes, where the mesh is."""
    homogeneous = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=-1)  # [N, 4]
    clip = torch.einsum("vij,nj->vni", cameras.mvp(size, size).to(vertices.device), homogeneous).contiguous()
    rasterizer = rasterizer_for(vertices.device)
    raster = rasterizer.rasterize(clip, faces, size, size)
    image = rasterizer.interpolate(attributes, raster, faces)
    image = torch.where((raster.triangle > 0)[..., None], image, background)
    return rasterizer.antialias(image.contiguous(), raster, clip, faces)
