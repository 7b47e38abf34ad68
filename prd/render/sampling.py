"""Where to look along rays: even intervals first, then more of them where the surface is.

Legend: R rays, E edges, n intervals. Edges are distances along unit rays.
"""

import torch
from torch import Tensor

from prd.render.opacity import logistic_opacity


def place_intervals(edges: Tensor, cdf: Tensor, intervals: int, jitter: Tensor | float = 0.5) -> Tensor:
    """Spread intervals evenly over a cumulative distribution.

    Args:
        edges: `[R, E]`, rising.
        cdf: distribution at the edges `[R, E]`, not falling.
        intervals: n of them.
        jitter: position within a share in [0, 1), `[R, 1]`; 0.5 without stratification.

    Returns:
        Edges `[R, n + 1]`, halfway between the drawn centres, inside the range of `edges`.
    """
    shares = (torch.arange(intervals, device=cdf.device) + jitter) / intervals
    low, high = cdf[:, :1], cdf[:, -1:]
    targets = (low + shares * (high - low)).contiguous()  # [R, n]
    right = torch.searchsorted(cdf.contiguous(), targets, right=True).clamp(1, cdf.shape[-1] - 1)
    cdf_left, cdf_right = cdf.gather(-1, right - 1), cdf.gather(-1, right)
    left_edge, right_edge = edges.gather(-1, right - 1), edges.gather(-1, right)
    share = ((targets - cdf_left) / (cdf_right - cdf_left).clamp_min(1e-10)).clamp(0, 1)
    return edges_around(torch.lerp(left_edge, right_edge, share), edges[:, :1], edges[:, -1:])


def edges_around(centres: Tensor, near: Tensor, far: Tensor) -> Tensor:  # [R, n], [R, 1], [R, 1] -> [R, n + 1]
    """Edges halfway between centres; the outer ones as far out as their neighbours, clamped to the range."""
    middle = (centres[:, 1:] + centres[:, :-1]) / 2
    first = centres[:, :1] - (centres[:, 1:2] - centres[:, :1]) / 2
    last = centres[:, -1:] + (centres[:, -1:] - centres[:, -2:-1]) / 2
    return torch.cat([first, middle, last], dim=-1).clamp(near, far)


def even_intervals(rays: int, near: float, far: float, intervals: int, jitter: Tensor) -> Tensor:
    """Edges `[R, n + 1]` of even intervals, shifted by `jitter` `[R, 1]` in [0, 1); 0.5 shifts by nothing."""
    edges = jitter.new_tensor([near, far]).expand(rays, 2)
    return place_intervals(edges, jitter.new_tensor([0.0, 1.0]).expand(rays, 2), intervals, jitter)


def surface_cdf(sdf: Tensor, edges: Tensor, step: float, inverse_std: float) -> Tensor:
    """Share of the light that is gone before each edge.

    Args:
        sdf: at the middle of every interval, `[R, E - 1]`.
        edges: `[R, E]`.
        step: length, in world units, over which an opacity is taken before it becomes a density.
        inverse_std: sharpness of the opacity.

    Returns:
        `[R, E]`, from 0; the last entry is 1, so that no ray is without samples.
    """
    density = logistic_opacity(sdf + step / 2, sdf - step / 2, inverse_std) / step
    passed = torch.cumsum(density * edges.diff(dim=-1), dim=-1)
    cdf = 1 - torch.exp(-passed)
    return torch.cat([torch.zeros_like(cdf[:, :1]), cdf[:, :-1], torch.ones_like(cdf[:, :1])], dim=-1)
