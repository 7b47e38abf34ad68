"""What all parts of a conversion share: picking tensors by prefix, reading sizes off them, strict comparison."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from infra.errors import InputError

Tensors = Mapping[str, Tensor]


def with_prefix(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """Tensors below a prefix, without it; all of them if none has it."""
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return found or dict(tensors)


def numbers(names: Iterable[str], pattern: str) -> list[int]:
    """What stands at the group of `pattern` in names, as numbers: sorted, each once."""
    return sorted({int(match[1]) for name in names if (match := re.match(pattern, name))})


def require(tensors: Tensors, name: str, what: str) -> Tensor:
    """One tensor.

    Raises:
        InputError: it is not there.
    """
    if name not in tensors:
        raise InputError(f"{what} has no tensor {name}", "the file is of another kind of model, or incomplete")
    return tensors[name]


def settle(
    found: Mapping[str, Any], told: Mapping[str, Any], aliases: Mapping[str, str], model: type, what: str
) -> dict[str, Any]:
    """A configuration of a diffusers model, from what tensors show and what the caller tells.

    Args:
        found: what the tensors show.
        told: what they cannot show. What they do show may be told too, and must agree. A whole description of the
            original may be given: what diffusers has no setting for is passed over.
        aliases: the original's names of settings → diffusers'.
        model: the class that is configured.
        what: for messages.

    Raises:
        InputError: the two contradict each other.
    """
    known = inspect.signature(model.__init__).parameters
    settled = dict(found)
    for name, value in ((aliases.get(name, name), value) for name, value in told.items()):
        if name not in known or isinstance(value, Mapping):
            continue
        if name in found and _plain(found[name]) != _plain(value):
            raise InputError(f"{what}: {name} is said to be {value}, but its tensors are of {found[name]}")
        settled[name] = value
    return settled


def compare(model: Any, config: Mapping[str, Any], tensors: Tensors, what: str) -> nn.Module:
    """The model of a configuration, on the meta device, which takes exactly these tensors.

    Raises:
        InputError: some are missing, left over or of another shape, or there is no such model.
    """
    try:
        with torch.device("meta"):
            built = model.from_config(dict(config))
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} cannot be built: {error}") from None
    require_equal(built.state_dict(), tensors, what)
    return built


def require_equal(expected: Tensors, tensors: Tensors, what: str) -> None:
    """Make sure that names and shapes are those of a model.

    Raises:
        InputError: some are missing, left over or of another shape.
    """
    if missing := sorted(expected.keys() - tensors.keys()):
        raise InputError(f"{what} lacks {len(missing)} tensors, e.g. {missing[0]}")
    if extra := sorted(tensors.keys() - expected.keys()):
        raise InputError(f"{what} has {len(extra)} tensors that belong nowhere, e.g. {extra[0]}")
    for name, target in expected.items():
        if target.shape != tensors[name].shape:
            raise InputError(f"{what}: {name} has shape {tuple(tensors[name].shape)}, expected {tuple(target.shape)}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
