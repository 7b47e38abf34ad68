"""The far end of a remote teacher: the process it sits in, and what goes over the wire. Knows nothing of Ray."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from infra.environment import prepare_environment
from infra.errors import PRDError, TrainingError
from teachers.config import ActorPlacement, TeacherConfig
from teachers.contract import Teacher, TeacherReply, TeacherRequest
from teachers.registry import load_teacher

MessageT = TypeVar("MessageT", TeacherRequest, TeacherReply)


@dataclass(frozen=True)
class Seat:
    """A teacher and what is needed to load it elsewhere."""

    name: str
    config: TeacherConfig
    folder: Path | None
    """Where the process that starts the pool has its weights. Others may have another working directory."""

    def load(self, device: torch.device) -> Teacher:
        config = self.config
        if self.folder is not None and self.folder.is_dir():
            config = config.model_copy(update={"weights": str(self.folder)})
        return load_teacher(self.name, config, device)


class TeacherActor:
    """A teacher in a process of its own.

    Its weights are loaded by the first call: errors of a constructor reach the caller only as text.
    """

    def __init__(self, seat: Seat, placement: ActorPlacement) -> None:
        prepare_environment()
        torch.set_num_threads(max(1, int(placement.cpus)))
        self._seat = seat
        self._device = torch.device("cuda" if placement.gpus else "cpu")
        self._teacher: Teacher | None = None

    def load(self) -> PRDError | None:
        """Load the weights; an error that a user can act on is returned, to arrive without Ray's trappings."""
        try:
            self._ready()
        except PRDError as error:
            return error
        return None

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | PRDError:
        """Answer one request, both in wire form."""
        try:
            return to_wire(ask(self._seat.name, self._ready(), from_wire(TeacherRequest, request)))
        except PRDError as error:
            return error

    def answer_directly(self, pixels: torch.Tensor, rest: dict[str, Any]) -> dict[str, Any] | PRDError:
        """Answer a request whose pixels, and whose gradient, travel apart from the rest and as tensors."""
        try:
            request = from_wire(TeacherRequest, {**rest, "pixels": pixels})
            reply = ask(self._seat.name, self._ready(), request)
        except PRDError as error:
            return error
        return {"gradient": reply.gradient.detach().float().contiguous(), "metrics": reply.metrics}

    def _ready(self) -> Teacher:
        self._teacher = self._teacher or self._seat.load(self._device)
        return self._teacher


def ask(name: str, teacher: Teacher, request: TeacherRequest) -> TeacherReply:
    """A teacher's answer, with memory that runs out as an error that says what to change.

    Raises:
        TrainingError: the request does not fit the GPU.
    """
    try:
        return teacher(request)
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()  # the next one may be smaller
        count, _, size, _ = request.pixels.shape
        raise TrainingError(
            f"teacher {name!r} has no room for {count} pictures of {size} x {size}: {str(error).partition('. ')[0]}",
            f"lower train.prompts_per_worker or teachers.{name}.resolution, set teachers.{name}.precision to bf16, or "
            f"give it a GPU of its own by teachers.{name}.placement; the run can be resumed from its last checkpoint",
        ) from None


def to_wire(message: TeacherRequest | TeacherReply) -> dict[str, Any]:
    """A message with its tensors as NumPy arrays on the CPU, which Ray moves without pickling."""
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return {
        name: value.detach().to("cpu", torch.float32).numpy() if isinstance(value, torch.Tensor) else value
        for name, value in values.items()
    }


def from_wire(kind: type[MessageT], wire: dict[str, Any]) -> MessageT:
    """The message again; arrays are copied, because what lies in Ray's store cannot be written to."""
    values: dict[str, Any] = {
        name: torch.tensor(value) if isinstance(value, np.ndarray) else value for name, value in wire.items()
    }
    return kind(**values)
