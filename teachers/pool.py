"""Where teachers sit: in the student's process, or in Ray actors that may be lost and come back.

A call is stateless and seeded, so a lost one is simply made again, with the same answer. Ray does both: it restarts
the actor and repeats the call.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from infra.errors import PRDError, RecipeError, TrainingError, UnavailableError
from infra.progress import console
from infra.weights import find_weights
from teachers.actor import Seat, TeacherActor, ask, from_wire, to_wire
from teachers.config import ActorPlacement, TeacherConfig
from teachers.contract import PendingReply, Teacher, TeacherReply, TeacherRequest, TeacherSpec
from teachers.registry import require_kind, teacher_spec

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

REPEATS = 5
"""How often a call is made again after its actor was lost."""
_REMIND_SECONDS = 30.0
_PATIENCE_SECONDS = 1800.0
_DIRECT = "nixl"
_DIRECT_PATIENCE_SECONDS = 120.0
_RESUME = "the run can be resumed from its last checkpoint; the actor's log is in Ray's session folder"


class TeacherPool:
    """All teachers of a run. Started by the driver, sent to the training processes, closed by the driver."""

    def __init__(self, seats: Mapping[str, Seat], actors: Mapping[str, "list[ActorHandle]"]) -> None:
        self._seats = dict(seats)
        self._actors = dict(actors)
        self._loaded: dict[str, Teacher] = {}

    @classmethod
    def start(cls, configs: Mapping[str, TeacherConfig]) -> Self:
        """Start the actors on the Ray cluster that this process is connected to; returns before they are ready.

        Args:
            configs: name → teacher. Those with `placement: local` start nothing.

        Raises:
            RecipeError: a `kind` does not exist, or a package that a transport needs.
        """
        for name, config in configs.items():
            require_kind(name, config)
            _require_transport(name, config)
        seats = {name: Seat(name, config, find_weights(config.weights)) for name, config in configs.items()}
        pool = cls(seats, {})
        pool._actors = {
            name: [_start_actor(seat, seat.config.placement) for _ in range(seat.config.placement.replicas)]
            for name, seat in seats.items()
            if isinstance(seat.config.placement, ActorPlacement)
        }
        return pool

    @cached_property
    def specs(self) -> dict[str, TeacherSpec]:
        """What each teacher looks at. Their classes are imported only now: a driver that starts actors and asks
        nothing is spared the seconds."""
        return {name: teacher_spec(name, seat.config) for name, seat in self._seats.items()}

    def wait_ready(self) -> None:
        """Wait until every actor has loaded its weights.

        Raises:
            MissingError: weights are missing or damaged where an actor sits.
            UnavailableError: the cluster has no room for an actor, or one took too long.
        """
        if not self._actors:
            return
        import ray

        deadline = time.monotonic() + _PATIENCE_SECONDS
        waiting: dict[Any, str] = {
            actor.load.remote(): name for name, actors in self._actors.items() for actor in actors
        }
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=_REMIND_SECONDS)
            for reference in done:
                _read(waiting.pop(reference), reference)
            if done:
                continue
            missing = f"{self._needs(waiting.values())}; {_cluster()}"
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"these teachers did not start: {missing}", "lower teachers.<name>.placement, or add machines"
                )
            console.print(f"waiting for teachers: {missing}")

    def submit(self, name: str, request: TeacherRequest) -> PendingReply:
        """Ask a teacher; the answer is computed elsewhere, or by a local teacher when it is read."""
        actors = self._actors.get(name)
        if actors is None:
            return _LocalReply(self, name, request)
        actor = actors[request.seed % len(actors)]
        placement = self._seats[name].config.placement
        if isinstance(placement, ActorPlacement) and placement.transport == "direct" and _in_an_actor():
            return _DirectReply(name, actor, request)
        return _RemoteReply(name, actor.answer.remote(to_wire(request)))

    def close(self) -> None:
        """End the actors and forget local teachers; safe to call twice."""
        self._loaded.clear()
        if not self._actors:
            return
        import ray

        for actor in (actor for actors in self._actors.values() for actor in actors):
            if ray.is_initialized():
                ray.kill(actor)
        self._actors.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # Loaded weights stay where they are; another process loads its own.
        return {**vars(self), "_loaded": {}}

    def _local(self, name: str) -> Teacher:
        if name not in self._loaded:
            import torch

            cuda = torch.cuda.is_available()
            device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
            self._loaded[name] = self._seats[name].load(device)
        return self._loaded[name]

    def _needs(self, names: Iterable[str]) -> str:
        placements = {name: self._seats[name].config.placement for name in names}
        return ", ".join(
            f"{name} ({place.replicas} x {place.gpus:g} GPUs, {place.cpus:g} CPUs)"
            for name, place in placements.items()
            if isinstance(place, ActorPlacement)
        )


@dataclass
class _LocalReply:
    pool: TeacherPool
    name: str
    request: TeacherRequest

    def result(self) -> TeacherReply:
        return _require_finite(self.name, ask(self.name, self.pool._local(self.name), self.request))


@dataclass
class _RemoteReply:
    name: str
    reference: "ObjectRef[Any] | None"

    def result(self) -> TeacherReply:
        reference, self.reference = self.reference, None  # the store may drop it as soon as it is read
        if reference is None:
            raise RuntimeError("a reply can be read once")
        return _require_finite(self.name, from_wire(TeacherReply, _read(self.name, reference)))


class _DirectReply:
    """An answer that comes from GPU to GPU.

    What an actor holds for it is lost with the actor, and Ray's own repeats do not bring it back. So the request is
    kept, and made again through the store, which does not fail in this way.
    """

    def __init__(self, name: str, actor: "ActorHandle", request: TeacherRequest) -> None:
        import ray

        self._name, self._actor, self._request = name, actor, request
        rest = {key: value for key, value in to_wire(request).items() if key != "pixels"}
        # Held until the answer is there: the actor fetches the pixels from this process.
        self._pixels = ray.put(request.pixels.contiguous(), _tensor_transport=_DIRECT)
        self._answer: ObjectRef[Any] | None = actor.answer_directly.options(tensor_transport=_DIRECT).remote(
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
            return _RemoteReply(self._name, self._actor.answer.remote(to_wire(self._request))).result()
        if isinstance(value, PRDError):
            raise value
        return _require_finite(self._name, TeacherReply(value["gradient"], value["metrics"]))


def _require_transport(name: str, config: TeacherConfig) -> None:
    placement = config.placement
    if isinstance(placement, ActorPlacement) and placement.transport == "direct" and find_spec("nixl") is None:
        raise RecipeError(f"teachers.{name}.placement.transport: direct needs nixl", "pip install '.[cuda]'")


def _in_an_actor() -> bool:
    """Whether this process is one of Ray's actors, as training's workers are: only they can send tensors directly."""
    import ray

    return ray.get_runtime_context().get_actor_id() is not None


def _start_actor(seat: Seat, placement: ActorPlacement) -> "ActorHandle":
    import ray

    # A crash loop ends with the calls: each is repeated a bounded number of times.
    remote: Any = ray.remote(enable_tensor_transport=placement.transport == "direct")  # type: ignore[call-overload]
    actor = remote(TeacherActor).options(
        num_cpus=placement.cpus, num_gpus=placement.gpus, max_restarts=-1, max_task_retries=REPEATS
    )
    return cast("ActorHandle", actor.remote(seat, placement))


def _read(name: str, reference: "ObjectRef[Any]") -> Any:
    """The value of a reference, with every failure as an error of ours."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    try:
        value = ray.get(reference, timeout=_PATIENCE_SECONDS)
    except GetTimeoutError:
        raise TrainingError(f"teacher {name!r} gave no answer in {_PATIENCE_SECONDS:.0f} s", _RESUME) from None
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


def _cluster() -> str:
    import ray

    free = ray.available_resources()
    return f"free now: {free.get('GPU', 0):g} GPUs, {free.get('CPU', 0):g} CPUs"
