"""A mesh before a plain background, without light.

Legend: V views, N vertices, F faces, C channels, H rows and W columns of the image, row 0 at its top.
"""

import torch
from torch import Tensor

from prd.render.raster import rasterizer_for
from teachers.cameras import Cameras


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
