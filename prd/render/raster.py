"""Triangles to pixels: the interface of the two rasterisers and the choice between them.

nvdiffrast where it works, otherwise our own in torch, with the same outputs and conventions: clip space as in
`Cameras.mvp`, image row 0 at y = -w, pixel centres at +0.5, no culling of back faces.

Legend: V views, N vertices, F faces, C channels, H rows and W columns of the image.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Raster:
    """What each pixel shows."""

    barycentric: Tensor  # [V, H, W, 2] perspective-correct weights of vertices 0 and 1; carries gradient to clip space
    depth: Tensor  # [V, H, W] z / w in [-1, 1], without gradient; 0 where empty
    triangle: Tensor  # [V, H, W] int64, face index + 1; 0 where empty

    @property
    def covered(self) -> Tensor:  # [V, H, W] bool
        return self.triangle > 0


class Rasterizer(Protocol):
    """Differentiable rasterisation in three steps, as nvdiffrast cuts them.

    Coverage itself is a step function: what moves with the silhouette gets its gradient from `antialias` alone.
    """

    def rasterize(
        self,
        clip: Tensor,  # [V, N, 4] float32 clip-space positions
        faces: Tensor,  # [F, 3] int64
        height: int,
        width: int,
    ) -> Raster:
        """Find the nearest triangle of every pixel."""
        ...

    def interpolate(
        self,
        attributes: Tensor,  # [N, C], or [V, N, C] where they differ between views
        raster: Raster,
        faces: Tensor,  # [F, 3]
    ) -> Tensor:  # [V, H, W, C]
        """Vertex attributes at the pixels, 0 where empty. Gradient goes to the attributes and to clip space."""
        ...

    def antialias(
        self,
        image: Tensor,  # [V, H, W, C]
        raster: Raster,
        clip: Tensor,  # [V, N, 4]
        faces: Tensor,  # [F, 3]
    ) -> Tensor:  # [V, H, W, C]
        """Blend neighbouring pixels where a silhouette runs between their centres.

        The share of the blend follows the silhouette, which is how an image's gradient reaches the positions.
        """
        ...


def drawable(clip: Tensor) -> Tensor:  # [V, N, 4] -> [V, N] bool
    """Which vertices are finite and in front of the camera; triangles with any other are left out."""
    return (clip[..., 3] > 0) & clip.isfinite().all(dim=-1)


def rasterizer_for(device: torch.device | str) -> Rasterizer:
    """The rasteriser for tensors on `device`. Never fails: ours takes over where nvdiffrast does not work."""
    device = torch.device(device)
    if device.type == "cuda" and _nvdiffrast_problem() is None:
        from prd.render.raster_nvdiffrast import NvdiffrastRasterizer

        return NvdiffrastRasterizer()
    from prd.render.raster_torch import TorchRasterizer

    return TorchRasterizer()


def backend_report() -> str:
    """Which rasteriser is in use on this machine's best device, and why. Never raises."""
    problem = _nvdiffrast_problem()
    if problem is None:
        return f"nvdiffrast {_nvdiffrast_version()} on {torch.cuda.get_device_name()}"
    return f"torch, because {problem}"


@lru_cache
def _nvdiffrast_problem() -> str | None:
    """Why nvdiffrast cannot be used here; None if it can. It compiles on first use, so only trying it out tells."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    if find_spec("nvdiffrast") is None:
        return "nvdiffrast is not installed (pip install '.[cuda]')"
    try:
        from prd.render.raster_nvdiffrast import context

        context(torch.cuda.current_device())
    except Exception as error:  # compilers and drivers fail in many ways, and all of them mean the same here
        first_line = (str(error).strip() or repr(error)).splitlines()[0]
        return f"nvdiffrast does not start: {first_line}"
    return None


def _nvdiffrast_version() -> str:
    for distribution in ("nvdiffrast", "diffrp-nvdiffrast"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "of unknown version"
