"""The launcher: `python -m prd.launch RUN_FOLDER`. Starts teachers and workers on Ray and sees the run through."""

import os
import sys
from pathlib import Path
from typing import Any

from infra.artifacts import folder_lock
from infra.cluster import ray_session
from infra.environment import prepare_environment
from infra.errors import BusyError, PRDError, TrainingError
from infra.process import hold_leash
from infra.settings import settings
from prd.job import OUTCOME, TrainingJob, write_outcome


def launch(job: TrainingJob) -> None:
    """Train a run to its end, from its newest checkpoint if it has one.

    Raises:
        TrainingError: workers were lost more often than the recipe allows, or a teacher stayed away.
        UnavailableError: Ray does not start or has no room.
        MissingError: weights are missing.
    """
    from teachers.config import ActorPlacement

    cluster, train = job.recipe.cluster, job.recipe.train
    actors = [
        teacher.placement for teacher in job.recipe.teachers.values() if isinstance(teacher.placement, ActorPlacement)
    ]
    cpus = train.workers * cluster.cpus_per_worker + sum(actor.cpus * actor.replicas for actor in actors)
    with ray_session(settings().ray_address, cpus + 1, cluster.object_store_mb):
        _train_on_ray(job)


def _train_on_ray(job: TrainingJob) -> None:
    # Imported here, because the session decides how Ray sets itself up.
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from teachers.pool import TeacherPool

    cluster = job.recipe.cluster
    resources = {"CPU": cluster.cpus_per_worker}
    if cluster.gpus_per_worker:
        resources["GPU"] = cluster.gpus_per_worker
    with TeacherPool.start(job.recipe.teachers) as teachers:
        trainer = TorchTrainer(
            _work,
            train_loop_config={
                "folder": str(job.folder),
                "teachers": teachers,
                # A worker on another machine shares the folders, not the environment.
                "environment": {name: value for name, value in os.environ.items() if name.startswith("PRD_")},
            },
            torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=job.recipe.train.workers,
                use_gpu=bool(cluster.gpus_per_worker),
                resources_per_worker=resources,
            ),
            run_config=RunConfig(
                name=job.folder.name,
                storage_path=str(job.folder / "ray"),
                failure_config=FailureConfig(max_failures=cluster.max_restarts),
            ),
        )
        _fit(trainer)


def _fit(trainer: Any) -> None:
    from ray.train import TrainingFailedError

    try:
        trainer.fit()
    except TrainingFailedError as error:
        failures = getattr(error, "worker_failures", {})
        causes = [getattr(cause, "base_exc", cause) for cause in failures.values()] or [error]
        for cause in causes:
            known = getattr(cause, "cause", cause)
            if isinstance(known, PRDError):
                raise known from None
        raise TrainingError(
            f"training stopped: {causes[0]!r}", "run the same command again to go on from the last checkpoint"
        ) from error


def _work(config: dict[str, Any]) -> None:
    """One worker: everything happens in the `Trainer`."""
    os.environ.update(config["environment"])
    prepare_environment()
    import torch
    from ray.train.torch import get_device

    from prd.trainer import Trainer

    device = get_device()
    if device.type == "cpu":
        # A resumed run then repeats an uninterrupted one to the last bit.
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(1)
    Trainer(TrainingJob.read(Path(config["folder"])), config["teachers"], device).run()


def main() -> int:
    """Command line of the launcher; the exit code is the error's."""
    hold_leash()
    prepare_environment()
    folder = Path(sys.argv[1]).absolute()
    try:
        # One that was killed a moment ago may still be ending.
        with folder_lock(folder, patience_seconds=30.0):
            return _launch_on_record(folder)
    except BusyError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code


def _launch_on_record(folder: Path) -> int:
    """Launch, and write down how it ended."""
    (folder / OUTCOME).unlink(missing_ok=True)
    failure: PRDError | None = None
    try:
        launch(TrainingJob.read(folder))
    except PRDError as error:
        failure = error
        print(error, file=sys.stderr)  # noqa: T201
    write_outcome(folder, failure)
    return failure.exit_code if failure else 0


if __name__ == "__main__":
    sys.exit(main())
