"""The maps that teachers look at, in one definition for every renderer.

Legend: N = B prompts * V views, prompt-major; H and W pixels, row 0 at the top.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.cameras import Cameras
from teachers.contract import TeacherSpec

OBJECT_RADIUS = 3**0.5
"""Half the diagonal of the cube [-1, 1]^3: the depth range that disparity spans on either side of the origin."""

BACKGROUND_NORMAL = (0.5, 0.5, 1.0)
"""The normal (0, 0, 1), towards the camera, as a colour."""


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


def empty_views(count: int, resolution: int) -> RenderedViews:
    """What renderers show where there is nothing, before white."""

    def filled(*values: float) -> Tensor:
        return torch.tensor(values).expand(count, resolution, resolution, -1)

    return RenderedViews(filled(1.0, 1.0, 1.0), filled(*BACKGROUND_NORMAL), filled(0.0), filled(0.0))


def normal_map(normals: Tensor, opacity: Tensor, cameras: Cameras) -> Tensor:
    """World normals `[N, H, W, 3]` (any length) as colours, over the background by `opacity` `[N, H, W, 1]`."""
    axes = cameras.c2w[:, :3, :3]  # world from camera, so its transpose turns world into camera
    local = torch.einsum("nhwi,nij->nhwj", F.normalize(normals, dim=-1), axes)
    colours = (local * local.new_tensor([-1.0, 1.0, 1.0]) + 1) / 2
    return torch.lerp(colours.new_tensor(BACKGROUND_NORMAL).expand_as(colours), colours, opacity)


def disparity_map(depth: Tensor, opacity: Tensor, camera_distance: Tensor) -> Tensor:
    """Inverted linear distance in [0, 1].

    Args:
        depth: distance along the ray times opacity, `[N, H, W, 1]`; what is not covered counts as far.
        opacity: `[N, H, W, 1]`.
        camera_distance: from the origin, `[N]`.
    """
    far = (camera_distance + OBJECT_RADIUS).view(-1, 1, 1, 1)
    expected = depth + (1 - opacity) * far
    return ((far - expected) / (2 * OBJECT_RADIUS)).clamp(0, 1)


def teacher_pixels(views: RenderedViews, spec: TeacherSpec) -> Tensor:  # -> [N, C, R, R]
    """The maps a teacher looks at, at its resolution, differentiable in the views."""
    pixels = torch.cat([getattr(views, name) for name in spec.maps], dim=-1).permute(0, 3, 1, 2)
    if pixels.shape[-2:] == (spec.resolution, spec.resolution):
        return pixels
    if spec.resize == "average":
        return F.adaptive_avg_pool2d(pixels, spec.resolution)
    return F.interpolate(pixels, (spec.resolution, spec.resolution), mode="bilinear", align_corners=False)
