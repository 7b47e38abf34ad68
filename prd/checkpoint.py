"""Checkpoints: what a run continues from.

step-000500/
  adapter.safetensors, generator.json, README.md   the generator as users load it (`prd.published`)
  trainer.json                                     step, sampler state, workers
  engine/                                          the optimiser's shards, for exact resume only
  manifest.json
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.artifacts import MANIFEST, is_finished, publish, seal, write_json
from infra.errors import MissingError
from infra.progress import console
from prd.published import is_published, looks_like_hub_id, published_folder, write_generator
from prompts.sampler import SamplerState

if TYPE_CHECKING:
    from torch import Tensor

    from prd.generator import TriplaneGenerator

TRAINER, ENGINE = "trainer.json", "engine"
_STAGING = ".staging"


@dataclass(frozen=True)
class TrainerState:
    """Where a run stands. All else that is random is derived from the seed and the step."""

    step: int
    """Finished optimiser steps."""
    sampler: SamplerState
    workers: int

    @classmethod
    def read(cls, checkpoint: Path) -> "TrainerState":
        content = json.loads((checkpoint / TRAINER).read_text(encoding="utf-8"))
        return cls(content["step"], SamplerState(**content["sampler"]), content["workers"])


def staging_folder(checkpoints: Path) -> Path:
    """Where the next checkpoint is gathered; all processes write into its `engine/`."""
    return checkpoints / _STAGING


def publish_checkpoint(
    checkpoints: Path,
    state: TrainerState,
    trained: "dict[str, Tensor]",
    student: "TriplaneGenerator",
    inputs: dict[str, str],
    keep: int,
) -> Path:
    """Complete the staged checkpoint, rename it to its place and drop the oldest beyond `keep`. First process only.

    Args:
        checkpoints: folder of all.
        state: where the run stands.
        trained: all trained tensors by name, gathered from all processes.
        student: what they belong to.
        inputs: digests of what the run is made from.
        keep: how many stay.
    """
    staging = staging_folder(checkpoints)
    facts = {"optimiser steps": str(state.step), **inputs}
    write_generator(staging, trained, student.config, student.base_sample, facts)
    write_json(staging / TRAINER, asdict(state))
    seal(staging, kind="checkpoint", inputs=inputs, facts={"step": state.step})
    folder = checkpoints / f"step-{state.step:06d}"
    publish(staging, folder)
    for old in _steps(checkpoints)[:-keep]:
        shutil.rmtree(old)
    return folder


def latest_checkpoint(run: Path) -> Path | None:
    """The newest whole checkpoint of a training run; damaged ones are passed over."""
    for folder in reversed(_steps(run / "checkpoints")):
        if is_finished(folder):
            return folder
        console.print(f"{folder} is not whole; going back to the checkpoint before it")
    return None


def resolve_checkpoint(reference: str | Path | None, training: Path) -> Path:
    """A checkpoint folder from what a user gives.

    Args:
        reference: its path, that of a training run, a run's name in `training`, or a Hub id; None for the newest of
            all runs.
        training: folder of all runs.

    Raises:
        MissingError: there is nothing to load.
        UnavailableError: the Hub does not answer.
    """
    runs = [path for path in training.glob("*") if (path / "checkpoints").is_dir()]
    if reference is None:
        found = [latest for run in runs if (latest := latest_checkpoint(run))]
        if not found:
            raise MissingError("no run has been trained here yet", "`prd run` trains one; or give --checkpoint")
        return max(found, key=lambda folder: (folder / MANIFEST).stat().st_mtime).absolute()
    for folder in (Path(reference), training / reference):
        if is_published(folder):
            return folder.absolute()
        if (folder / "checkpoints").is_dir() and (latest := latest_checkpoint(folder)):
            return latest.absolute()
    if not Path(reference).exists() and looks_like_hub_id(reference):
        return published_folder(reference)
    known = (
        f"runs here: {', '.join(sorted(run.name for run in runs))}"
        if runs
        else "no run has been trained here yet: `prd run` trains one"
    )
    raise MissingError(f"there is no checkpoint {str(reference)!r}", known)


def _steps(checkpoints: Path) -> list[Path]:
    return sorted(path for path in checkpoints.glob("step-*") if (path / MANIFEST).is_file())
