"""Randomness without state: every draw is named by run seed, step and purpose, so a resumed run repeats it."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from what the draw is for, e.g. `derive_seed(seed, rank, step, "camera")`."""
    content = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


def generator_for(*parts: int | str) -> "torch.Generator":
    """A CPU generator for one purpose. Draw on the CPU and move: the same numbers on every device."""
    import torch

    return torch.Generator().manual_seed(derive_seed(*parts))
