"""What a teacher is to its callers: rendered pixels in, the gradient of the distillation loss for those pixels out.

Legend: B prompts, V views a prompt, C channels, H and W pixels.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from infra.errors import InputError
from teachers.config import TeacherConfig

MapName = Literal["rgb", "normal", "disparity"]
"""Rendered maps in [0, 1]: colour [.., 3], camera-space normal (n + 1) / 2 [.., 3], inverted linear depth [.., 1]."""

MAP_CHANNELS: dict[MapName, int] = {"rgb": 3, "normal": 3, "disparity": 1}


@dataclass(frozen=True)
class TeacherSpec:
    """What a teacher looks at. Known before its weights are loaded, so the student can prepare pixels for it."""

    name: str
    maps: tuple[MapName, ...]
    """Maps that make up the channels of `TeacherRequest.pixels`, in this order."""
    views: int
    """Views of one prompt that it judges together: 4, or 1 for a single picture."""
    resolution: int
    """Height and width of the pixels it takes. The student resizes, so that requests stay small."""
    resize: Literal["bilinear", "average"]
    """How rendered maps come to `resolution`."""

    @property
    def channels(self) -> int:
        return sum(MAP_CHANNELS[name] for name in self.maps)


@dataclass(frozen=True)
class TeacherRequest:
    """One call. Equal requests get equal replies, wherever the teacher sits (to rounding between devices)."""

    pixels: Tensor  # [B*V, C, H, W] in [0, 1], prompt-major, views fastest; no gradient
    c2w: Tensor  # [B*V, 4, 4] camera to world: right, up, backwards, position; z up, front at +x
    relative_distance: Tensor  # [B*V] camera distance times tan(fov / 2); the field of view of the training cameras
    prompts: tuple[str, ...]  # B
    progress: float  # finished fraction of the training run in [0, 1], for the ramps
    seed: int  # names all randomness of the call


@dataclass(frozen=True)
class TeacherReply:
    """The answer to one request."""

    gradient: Tensor  # [B*V, C, H, W] d(loss)/d(pixels), averaged over prompts; on the CPU when it came from an actor
    metrics: dict[str, float] = field(default_factory=dict)
    """Numbers to log: `loss`, `gradient_norm`, `timestep`, `weight` and what else the teacher finds telling."""


_SLACK = 0.01
"""Rendered colours may end a little outside of [0, 1]."""


def check_request(spec: TeacherSpec, request: TeacherRequest) -> None:
    """Make sure that a teacher can answer.

    Raises:
        InputError: shapes are not the spec's, pixels lie outside [0, 1], or a pose is no rotation.
    """
    name, count = spec.name, len(request.prompts) * spec.views
    wanted = {
        "pixels": (count, spec.channels, spec.resolution, spec.resolution),
        "c2w": (count, 4, 4),
        "relative_distance": (count,),
    }
    for field_name, shape in wanted.items():
        tensor: Tensor = getattr(request, field_name)
        if tuple(tensor.shape) != shape:
            raise InputError(f"teacher {name!r} takes {field_name} of shape {shape}, not {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise InputError(f"teacher {name!r} was given {field_name} with values that are not finite")
    low, high = request.pixels.aminmax()
    if low < -_SLACK or high > 1 + _SLACK:
        raise InputError(f"teacher {name!r} takes pixels in [0, 1], not in [{low:.3g}, {high:.3g}]")
    rotation = request.c2w[:, :3, :3].double()
    identity = torch.eye(3, dtype=torch.float64, device=rotation.device)
    if (rotation.mT @ rotation - identity).abs().max() > 1e-3 or (rotation.det() < 0).any():
        raise InputError(f"teacher {name!r} was given a camera whose axes are no rotation")


class Teacher(Protocol):
    """A loaded teacher, under the name it has in the recipe."""

    spec: TeacherSpec

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None: ...

    @classmethod
    def describe(cls, name: str, config: TeacherConfig) -> TeacherSpec:
        """The `spec` it will have. Must not need its weights."""
        ...

    def __call__(self, request: TeacherRequest) -> TeacherReply: ...


class PendingReply(Protocol):
    """An answer on its way."""

    def result(self) -> TeacherReply:
        """Wait for the answer; call it once.

        Raises:
            TrainingError: the teacher stayed away, failed, or returned values that are not finite.
            MissingError: its weights are missing where it sits.
        """
        ...
