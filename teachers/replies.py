"""Answers on their way: of a teacher in this process, and of one in an actor, by Ray's store or from GPU to GPU."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from infra.errors import PRDError, TrainingError
from infra.progress import console
from teachers.actor import ask, from_wire, to_wire
from teachers.contract import Teacher, TeacherReply, TeacherRequest

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

REPEATS = 5
"""How often a call is made again after its actor was lost."""
PATIENCE_SECONDS = 1800.0
DIRECT = "nixl"
"""Ray's name of what moves tensors directly."""
_DIRECT_PATIENCE_SECONDS = 120.0
_RESUME = "the run can be resumed from its last checkpoint; the actor's log is in Ray's session folder"


@dataclass
class LocalReply:
    """It is computed when it is read."""

    teacher: Callable[[], Teacher]
    name: str
    request: TeacherRequest

    def result(self) -> TeacherReply:
        return _require_finite(self.name, ask(self.name, self.teacher(), self.request))


@dataclass
class RemoteReply:
    """It comes through main memory."""

    name: str
    reference: "ObjectRef[Any] | None"

    def result(self) -> TeacherReply:
        reference, self.reference = self.reference, None  # the store may drop it as soon as it is read
        if reference is None:
            raise RuntimeError("a reply can be read once")
        return _require_finite(self.name, from_wire(TeacherReply, read(self.name, reference)))


class DirectReply:
    """An answer that comes from GPU to GPU.

    What an actor holds for it is lost with the actor, and Ray's own repeats do not bring it back. So the request is
    kept, and made again through the store, which does not fail in this way.
    """

    def __init__(self, name: str, actor: "ActorHandle", request: TeacherRequest) -> None:
        import ray

        self._name, self._actor, self._request = name, actor, request
        rest = to_wire(replace(request, pixels=request.pixels[:0]))
        del rest["pixels"]
        # Held until the answer is there: the actor fetches the pixels from this process.
        self._pixels = ray.put(request.pixels.contiguous(), _tensor_transport=DIRECT)
        self._answer: ObjectRef[Any] | None = actor.answer_directly.options(tensor_transport=DIRECT).remote(
            self._pixels, rest
        )

    def result(self) -> TeacherReply:
        import ray
        from ray.exceptions import RayError

        reference, self._answer = self._answer, None
        if reference is None:
            raise RuntimeError("a reply can be read once")
        try:
            value = ray.get(reference, timeout=_DIRECT_PATIENCE_SECONDS)
        except RayError as error:
            reason = str(error).strip().partition("\n")[0]
            console.print(f"teacher {self._name!r} is asked again through Ray's store: {reason}", markup=False)
            return RemoteReply(self._name, self._actor.answer.remote(to_wire(self._request))).result()
        if isinstance(value, PRDError):
            raise value
        return _require_finite(self._name, TeacherReply(value["gradient"], value["metrics"]))


def read(name: str, reference: "ObjectRef[Any]") -> Any:
    """The value of a reference, with every failure as an error of ours."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    try:
        value = ray.get(reference, timeout=PATIENCE_SECONDS)
    except GetTimeoutError:
        raise TrainingError(f"teacher {name!r} gave no answer in {PATIENCE_SECONDS:.0f} s", _RESUME) from None
    except RayTaskError as error:
        raise TrainingError(f"teacher {name!r} failed: {error.cause!r}", _RESUME) from error
    except RayError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"teacher {name!r} stayed away after {REPEATS} repeats of the call: {reason}", _RESUME
        ) from error
    if isinstance(value, PRDError):
        raise value
    return value


def _require_finite(name: str, reply: TeacherReply) -> TeacherReply:
    if not reply.gradient.isfinite().all():
        raise TrainingError(
            f"teacher {name!r} returned a gradient with values that are not finite",
            "with precision fp16, try bf16 or fp32; the run can be resumed from its last checkpoint",
        )
    return reply
