"""The NeuS opacity (arXiv 2106.10689): how much of the light an interval of a ray keeps back."""

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = 1e-5


def logistic_opacity(sdf_before: Tensor, sdf_after: Tensor, inverse_std: float) -> Tensor:
    """α from the signed distances where a ray enters and leaves an interval; in [0, 1], same shape."""
    before = torch.sigmoid(sdf_before * inverse_std)
    after = torch.sigmoid(sdf_after * inverse_std)
    return ((before - after + _EPSILON) / (before + _EPSILON)).clamp(0, 1)


def neus_opacity(
    sdf: Tensor,  # [...] at the middle of the interval
    normal: Tensor,  # [..., 3] unit
    direction: Tensor,  # [..., 3] unit, of the ray
    interval: Tensor,  # [...] length
    inverse_std: float,
) -> Tensor:
    """α `[...]`, from a linear field along the ray; a surface that faces away keeps nothing back."""
    approach = F.relu(-(direction * normal).sum(-1))
    change = approach * interval / 2
    return logistic_opacity(sdf + change, sdf - change, inverse_std)
