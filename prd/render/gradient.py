"""Shrinking a gradient on its way back."""

import torch
from torch import Tensor


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """`tensor`, with `factor` on the gradient that passes back through it."""
    return tensor if factor == 1.0 else torch.lerp(tensor.detach(), tensor, factor)
