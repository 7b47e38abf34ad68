"""How much memory a computation keeps, found out on the meta device: nothing is computed and nothing allocated."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def parameter_bytes(*modules: nn.Module, dtype: torch.dtype | None = None) -> int:
    """Of the parameters of modules, in their own precision or in another."""
    size = None if dtype is None else dtype.itemsize
    return sum(one.numel() * (size or one.element_size()) for module in modules for one in module.parameters())


def kept_bytes(run: Callable[[], Any], parameters: Iterable[Tensor] = ()) -> int:
    """What a forward pass keeps for its backward pass.

    Args:
        run: the forward pass, on the meta device or a small one on another. Fused attention keeps no matrix of
            weights; on the meta device attention is not fused, so square matrices of tokens are left out.
        parameters: not counted: they are there anyway.
    """
    known = {tensor.untyped_storage()._cdata for tensor in parameters}
    found: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no storage comes back under another's address

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known and not _is_attention(tensor):
            found[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        run()
    return sum(found.values())


def largest_operation(run: Callable[[], Any]) -> int:
    """Bytes of the inputs and outputs of the largest single operation: the least that a pass without gradient needs."""
    with _Largest() as watch, torch.no_grad():
        run()
    return watch.bytes


class _Largest(TorchDispatchMode):
    bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = {id(one): one for one in tree_leaves((args, kwargs, result)) if isinstance(one, Tensor)}
        if not any(map(_is_attention, tensors.values())):
            storages = {one.untyped_storage()._cdata: one.untyped_storage().nbytes() for one in tensors.values()}
            self.bytes = max(self.bytes, sum(storages.values()))
        return result


def _is_attention(tensor: Tensor) -> bool:
    """Weights of tokens for each other: square, and larger than pictures are. Smaller ones do not matter."""
    return tensor.dim() >= 3 and tensor.shape[-1] == tensor.shape[-2] >= 1024
