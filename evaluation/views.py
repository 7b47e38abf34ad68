"""A mesh as evaluation sees it: unlit vertex colours before a plain background, never mirrored.

Legend: V views, N vertices, H rows and W columns of the image, row 0 at its top.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.config import ViewsConfig
from prd.mesh import Mesh, vertex_normals
from prd.render.unlit import draw
from teachers.cameras import orbit

_AMBIENT = 0.3  # of the clay picture, so that grazing faces do not go black


@dataclass(frozen=True)
class Views:
    """Pictures of one mesh, on the CPU."""

    colour: Tensor  # [V, H, W, 3] uint8, what CLIP judges
    shape: Tensor  # [H, W, 3] uint8, the first view as grey clay lit from the camera; for people


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
