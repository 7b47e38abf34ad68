"""Where networks run."""

from typing import TYPE_CHECKING

from infra.errors import InputError

if TYPE_CHECKING:
    import torch


def usable_device(name: "torch.device | str | None" = None) -> "torch.device":
    """A device by its name; by default the GPU where there is one.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # unknown, not built in, not there
        raise InputError(f"the device {name!s} cannot be used: {str(error).splitlines()[0]}") from None
    return torch.device(name)
