"""What both renderers produce, and its way to a teacher's pixels.

Legend: N = B prompts * V views, prompt-major; H and W pixels, row 0 at the top; C channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.contract import TeacherSpec


@dataclass(frozen=True)
class RenderedViews:
    """Pictures of B prompts from V views each, all values in [0, 1], background included."""

    rgb: Tensor  # [N, H, W, 3]
    normal: Tensor  # [N, H, W, 3] in the camera's axes as (n + 1) / 2, x mirrored as the normal teacher was trained
    disparity: Tensor  # [N, H, W, 1] inverted linear distance along the ray: 1 nearest, 0 far and background
    opacity: Tensor  # [N, H, W, 1]

    def select(self, indices: Tensor) -> "RenderedViews":  # [M] int64
        """The views at `indices`, in that order."""
        return RenderedViews(*(getattr(self, name)[indices] for name in ("rgb", "normal", "disparity", "opacity")))


def teacher_pixels(views: RenderedViews, spec: TeacherSpec) -> Tensor:  # -> [N, C, R, R]
    """The maps a teacher looks at, at its resolution, differentiable in the views."""
    pixels = torch.cat([getattr(views, name) for name in spec.maps], dim=-1).permute(0, 3, 1, 2)
    if pixels.shape[-2:] == (spec.resolution, spec.resolution):
        return pixels
    if spec.resize == "average":
        return F.adaptive_avg_pool2d(pixels, spec.resolution)
    return F.interpolate(pixels, (spec.resolution, spec.resolution), mode="bilinear", align_corners=False)


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """`tensor`, with `factor` on the gradient that passes back through it."""
    return tensor if factor == 1.0 else torch.lerp(tensor.detach(), tensor, factor)
