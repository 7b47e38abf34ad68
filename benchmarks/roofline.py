"""The arithmetic bound: nobody can do with less time than a device's peak rates allow for the work that is counted.

Counted are matrix products, convolutions and attention (forward and backward, 2 FLOPs a multiply-add) and, as traffic
alone, look-ups in the planes. Their operands and results are moved at least once; what lies between them could be
fused, so it is free here. A stage that has little of these must still read what it is given and write what it gives.
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_KNOWN = {  # dense bf16 TFLOP/s, fp32 as TF32 TFLOP/s, GB/s, from the data sheets; the first name that fits counts
    "H100 PCIe": (756, 378, 2000),
    "H100 NVL": (835, 417, 3938),
    "H100": (989, 495, 3352),
    "H200": (989, 495, 4800),
    "H20": (148, 74, 4000),
    "A100-SXM4-80GB": (312, 156, 2039),
    "A100 80GB PCIe": (312, 156, 1935),
    "A100": (312, 156, 1555),
    "L40S": (362, 183, 864),
    "L4": (121, 60, 300),
    "A10": (125, 62, 600),
    "RTX 4090": (165, 83, 1008),
    "RTX 3090": (71, 36, 936),
}

_ATEN = torch.ops.aten
_LOOK_UPS = {_ATEN.grid_sampler_2d, _ATEN.grid_sampler_2d_backward}
_FORMULAS = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: flop_registry[_ATEN._scaled_dot_product_flash_attention],
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        _ATEN._scaled_dot_product_flash_attention_backward
    ],
    **flop_registry,
}


@dataclass
class Work:
    """What a stage must do."""

    flops: Counter[str] = field(default_factory=Counter)
    """By arithmetic, `half` or `single`."""
    operands: int = 0
    """Bytes of the counted operations' operands and results."""
    passed: int = 0
    """Bytes that the stage is given and gives."""

    @property
    def bytes(self) -> int:
        return max(self.operands, self.passed)


@dataclass(frozen=True)
class Peak:
    """Rates of a device."""

    flops: dict[str, float]  # per second, by arithmetic
    bandwidth: float  # bytes per second
    origin: str

    def seconds(self, work: Work) -> float:
        """The least time for `work`."""
        arithmetic = sum(count / self.flops[kind] for kind, count in work.flops.items())
        return max(arithmetic, work.bytes / self.bandwidth)

    def __str__(self) -> str:
        half, single = self.flops["half"] / 1e12, self.flops["single"] / 1e12
        rates = f"{half:.3g} TFLOP/s in bf16, {single:.3g} in fp32 (TF32 on a GPU), {self.bandwidth / 1e9:.4g} GB/s"
        return f"{rates}, {self.origin}"


class WorkCounter(TorchDispatchMode):
    """Calls `add` with the work of every counted operation while it is active."""

    def __init__(self, add: Callable[[str, int, int], None]) -> None:
        super().__init__()
        self._add = add

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        packet = func._overloadpacket
        if packet in _FORMULAS or packet in _LOOK_UPS:
            flops = _FORMULAS[packet](*args, **kwargs, out_val=result) if packet in _FORMULAS else 0
            first = next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor))
            kind = "half" if first.dtype in (torch.bfloat16, torch.float16) else "single"
            self._add(kind, flops, nbytes((args, kwargs, result)))
        return result


def nbytes(value: Any) -> int:
    """Bytes of all tensors in nested containers and dataclasses. A module's parameters are not looked at."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(nbytes(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(nbytes(item) for item in value)
    if is_dataclass(value):
        return sum(nbytes(getattr(value, one.name)) for one in fields(value))
    return 0


def device_peak(device: torch.device) -> Peak:
    """Rates of `device`: from its data sheet where the model is known, else measured now."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for known, (half, single, bandwidth) in _KNOWN.items():
            if re.search(rf"\b{known}\b", name):  # whole words: an L40S is no L4
                rates = {"half": half * 1e12, "single": single * 1e12}
                return Peak(rates, bandwidth * 1e9, f"by the data sheet of {known}")
    size = 8192 if device.type == "cuda" else 2048
    rates = {}
    for kind, dtype in (("half", torch.bfloat16), ("single", torch.float32)):
        a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        rates[kind] = 2 * size**3 / _best_seconds(lambda a=a, b=b: a @ b, device)
    source = torch.ones(2**30 if device.type == "cuda" else 2**27, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * source.numel() / _best_seconds(lambda: target.copy_(source), device)
    return Peak(rates, bandwidth, f"measured now on products of {size} x {size} matrices and a large copy")


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    work()
    times = []
    for _ in range(5):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - started)
    return min(times)
