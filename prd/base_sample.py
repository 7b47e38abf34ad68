"""A few numbers that tell one base model from another, whatever file and precision it is kept in.

Adapters belong to the very weights that they were trained on. Hashing those takes seconds per gigabyte and changes with
the file format; one value of each tensor is read at once and does not.
"""

import base64

import torch
from torch import Tensor, nn

_ROUNDING = 2.0**-7  # relative: bfloat16 keeps eight bits, and both may have been rounded


def sample_base(*modules: nn.Module) -> Tensor:  # -> [parameters]
    """The middle value of each parameter, in order, as float16."""
    parameters = [parameter.detach() for module in modules for parameter in module.parameters()]
    return torch.stack([one.flatten()[one.numel() // 2].half() for one in parameters])


def same_base(sample: Tensor, other: Tensor) -> bool:
    """Whether two samples are of one model, each rounded in its own way."""
    if sample.shape != other.shape:
        return False
    return torch.allclose(sample.float(), other.float(), rtol=_ROUNDING, atol=1e-6)


def encode_sample(sample: Tensor) -> str:
    """As text for JSON: base64 of little-endian float16."""
    return base64.b64encode(sample.cpu().numpy().astype("<f2").tobytes()).decode()


def decode_sample(text: str) -> Tensor:
    """The inverse of `encode_sample`.

    Raises:
        ValueError: it is no such text.
    """
    return torch.frombuffer(bytearray(base64.b64decode(text, validate=True)), dtype=torch.float16)
