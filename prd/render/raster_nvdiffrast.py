"""The rasteriser of CUDA machines: nvdiffrast behind the interface of `prd.render.raster`.

It keeps faces as int32 and triangle ids as float32, which is exact up to 2^24 triangles. Silhouettes are blended by
our own code here too: nvdiffrast's looks only at the triangle that a pixel centre hits, and finds nothing at the
outline of a mesh as fine as the pixels.

Legend: V views, N vertices, F faces, C channels, H rows and W columns of the image.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from prd.render.raster import Raster
from prd.render.raster_silhouettes import blend_silhouettes


class NvdiffrastRasterizer:
    """See `prd.render.raster.Rasterizer`."""

    def rasterize(self, clip: Tensor, faces: Tensor, height: int, width: int) -> Raster:
        import nvdiffrast.torch as dr

        index = clip.device.index
        glctx = context(torch.cuda.current_device() if index is None else index)
        # Gradients with respect to image derivatives are for mip-mapped textures, which we do not use.
        packed, _ = dr.rasterize(glctx, _floats(clip), _ints(faces), resolution=[height, width], grad_db=False)
        return Raster(
            barycentric=packed[..., :2],
            depth=packed[..., 2].detach(),
            triangle=packed[..., 3].detach().long(),
        )

    def interpolate(self, attributes: Tensor, raster: Raster, faces: Tensor) -> Tensor:
        import nvdiffrast.torch as dr

        batched = attributes if attributes.dim() == 3 else attributes[None]
        values, _ = dr.interpolate(_floats(batched), _packed(raster), _ints(faces))
        return values

    def antialias(self, image: Tensor, raster: Raster, clip: Tensor, faces: Tensor) -> Tensor:
        return blend_silhouettes(image, raster, clip, faces)


@lru_cache
def context(device_index: int) -> Any:
    """nvdiffrast's state on one GPU; making it compiles the extension the first time."""
    import nvdiffrast.torch as dr

    return dr.RasterizeCudaContext(device=torch.device("cuda", device_index))


def _packed(raster: Raster) -> Tensor:  # [V, H, W, 4]
    """nvdiffrast's own layout of a raster; gradient flows back through the barycentrics."""
    rest = torch.stack([raster.depth, raster.triangle.float()], dim=-1)
    return torch.cat([raster.barycentric, rest], dim=-1).contiguous()


def _floats(tensor: Tensor) -> Tensor:
    return tensor.float().contiguous()


def _ints(faces: Tensor) -> Tensor:
    return faces.int().contiguous()
