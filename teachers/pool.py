"""Where teachers sit: in the student's process, or in Ray actors that may be lost and come back.

A call is stateless and seeded, so a lost one is simply made again, with the same answer. Ray does both: it restarts
the actor and repeats the call.
"""

import time
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from infra.errors import RecipeError, UnavailableError
from infra.progress import console
from infra.weights import find_weights
from teachers.actor import Seat, TeacherActor, to_wire
from teachers.config import ActorPlacement, TeacherConfig
from teachers.contract import PendingReply, Teacher, TeacherRequest, TeacherSpec
from teachers.registry import require_kind, teacher_spec
from teachers.replies import PATIENCE_SECONDS, REPEATS, DirectReply, LocalReply, RemoteReply, read

if TYPE_CHECKING:
    from ray.actor import ActorHandle

_REMIND_SECONDS = 30.0


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

        deadline = time.monotonic() + PATIENCE_SECONDS
        waiting: dict[Any, str] = {
            actor.load.remote(): name for name, actors in self._actors.items() for actor in actors
        }
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=_REMIND_SECONDS)
            for reference in done:
                read(waiting.pop(reference), reference)
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
            return LocalReply(partial(self._local, name), name, request)
        actor = actors[request.seed % len(actors)]
        placement = self._seats[name].config.placement
        if isinstance(placement, ActorPlacement) and placement.transport == "direct" and _in_an_actor():
            return DirectReply(name, actor, request)
        return RemoteReply(name, actor.answer.remote(to_wire(request)))

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


def _cluster() -> str:
    import ray

    free = ray.available_resources()
    return f"free now: {free.get('GPU', 0):g} GPUs, {free.get('CPU', 0):g} CPUs"
