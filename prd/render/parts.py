"""Looking at fields in parts: memory then does not grow with the number of points, and caches are used better."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def points_at_once(device: torch.device) -> int:
    """Points that are fast to look at together: more would leave a processor's cache, fewer would idle a GPU."""
    return 2**19 if device.type == "cuda" else 2**16


def in_parts(
    query: Callable[..., tuple[Tensor, ...]],
    inputs: Sequence[Tensor],  # [B, N, …] each
    rows: int,
) -> tuple[Tensor, ...]:  # [B, N, …] each
    """`query` of `rows` of the N at a time, results joined.

    A part keeps none of its intermediate values for the backward pass: it is looked at again there.

    Args:
        query: gives each of the N its own results, and the same ones whenever it is asked. It runs no modules: sharded
            weights would not be there when it is asked again.
        inputs: what it is given, split along their second dimension.
        rows: of a part, at least 1.
    """
    if inputs[0].shape[1] <= rows:
        return query(*inputs)
    parts = []
    for part in zip(*(tensor.split(rows, dim=1) for tensor in inputs), strict=True):
        if torch.is_grad_enabled():
            parts.append(checkpoint(query, *part, use_reentrant=False, preserve_rng_state=False))
        else:
            parts.append(query(*part))
    return tuple(torch.cat(some, dim=1) for some in zip(*parts, strict=True))
