"""Camera inputs of the multi-view teachers: 16 numbers, a 4x4 camera-to-world matrix row by row.

Scene: right-handed, z up, front at +x; matrix columns right, up, backwards, position.

Legend: N cameras.
"""

import torch
from torch import Tensor


def mvdream_cameras(c2w: Tensor) -> Tensor:  # [N, 4, 4] → [N, 16]
    """The pose with its position on the unit sphere; MVDream sees neither distance nor field of view."""
    return _on_unit_sphere(c2w).flatten(1)


def richdreamer_cameras(c2w: Tensor, relative_distance: Tensor) -> Tensor:  # [N, 4, 4], [N] → [N, 16]
    """The pose turned by -90° about z, because that model's front is -y, at twice the relative distance.

    Args:
        c2w: camera to world.
        relative_distance: distance times tan(fov / 2), in [0.8, 1] as that model was trained.
    """
    turn = c2w.new_tensor([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = turn @ _on_unit_sphere(c2w)
    rotation, position = turned[:, :3, :3], turned[:, :3, 3:]
    return _with_position(turned, rotation, position * (2 * relative_distance).view(-1, 1, 1)).flatten(1)


def _on_unit_sphere(c2w: Tensor) -> Tensor:  # [N, 4, 4] → [N, 4, 4], a new tensor
    position = c2w[:, :3, 3:]
    return _with_position(c2w, c2w[:, :3, :3], position / position.norm(dim=1, keepdim=True))


def _with_position(c2w: Tensor, rotation: Tensor, position: Tensor) -> Tensor:
    return torch.cat([torch.cat([rotation, position], dim=2), c2w[:, 3:]], dim=1)
