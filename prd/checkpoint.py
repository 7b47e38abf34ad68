"""Checkpoints: what a run continues from, and what users publish and load.

step-000500/
  adapter.safetensors   all trained tensors, whatever the number of processes
  generator.json        architecture and base model
  trainer.json          step, sampler state, workers
  engine/               the optimiser's shards, for exact resume only
  manifest.json
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.artifacts import MANIFEST, is_finished, publish, seal, write_json
from infra.errors import InputError, MissingError
from infra.progress import console
from infra.weights import resolve_weights, weights_digest
from prd.config import GeneratorConfig
from prompts.sampler import SamplerState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from prd.generator import TriplaneGenerator

ADAPTER, GENERATOR, TRAINER, ENGINE = "adapter.safetensors", "generator.json", "trainer.json", "engine"
_FORMAT = 1
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
    config: GeneratorConfig,
    inputs: dict[str, str],
    keep: int,
) -> Path:
    """Complete the staged checkpoint, rename it to its place and drop the oldest beyond `keep`. First process only."""
    from safetensors.torch import save_file

    staging = staging_folder(checkpoints)
    staging.mkdir(parents=True, exist_ok=True)
    save_file(trained, staging / ADAPTER, metadata={"format": "pt"})
    base_digest = inputs.get(f"weights {config.base}", "")
    description = {"format": _FORMAT, "generator": config.model_dump(mode="json"), "base_digest": base_digest}
    write_json(staging / GENERATOR, description)
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


def resolve_checkpoint(reference: str | Path, training: Path) -> Path:
    """A checkpoint folder from what a user gives: its path, that of a training run, or a run's name in `training`.

    Raises:
        MissingError: there is nothing to load.
    """
    for folder in (Path(reference), training / reference):
        if (folder / GENERATOR).is_file() and (folder / ADAPTER).is_file():
            return folder.absolute()
        if (folder / "checkpoints").is_dir() and (latest := latest_checkpoint(folder)):
            return latest.absolute()
    runs = sorted(path.name for path in training.glob("*") if (path / "checkpoints").is_dir())
    known = f"runs here: {', '.join(runs)}" if runs else "no run has been trained here yet: `prd run` trains one"
    raise MissingError(f"there is no checkpoint {str(reference)!r}", known)


def load_generator(checkpoint: Path, device: "torch.device | str" = "cpu") -> "TriplaneGenerator":
    """The generator of a checkpoint folder; needs `adapter.safetensors` and `generator.json` only.

    Raises:
        MissingError: a file, or the base model, is not here.
        InputError: a file is damaged or does not fit the architecture.
    """
    from prd.generator import TriplaneGenerator

    config = generator_config(checkpoint)
    base = resolve_weights(config.base)
    trained_on = json.loads((checkpoint / GENERATOR).read_text(encoding="utf-8")).get("base_digest")
    # Hashing a real base model takes long; one with a manifest tells its digest for nothing.
    if trained_on and (base / MANIFEST).is_file() and weights_digest(base) != trained_on:
        raise InputError(f"{checkpoint} was trained on other weights than those in {base}")
    generator = TriplaneGenerator.from_base(base, config)
    load_trained(generator, checkpoint)
    return generator.to(device).eval()


def generator_config(checkpoint: Path) -> GeneratorConfig:
    """The architecture that `generator.json` names."""
    path = checkpoint / GENERATOR
    if not path.is_file():
        raise MissingError(f"{checkpoint} is not a checkpoint: it has no {GENERATOR}")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise InputError(f"{path} has format {content['format']}; this version reads {_FORMAT}")
        return GeneratorConfig(**content["generator"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def load_trained(generator: "TriplaneGenerator", checkpoint: Path) -> None:
    """Copy a checkpoint's trained tensors into `generator`, each one accounted for."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = checkpoint / ADAPTER
    try:
        tensors = load_file(path)
    except (FileNotFoundError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    targets = dict(generator.trainable())
    odd = targets.keys() ^ tensors.keys()
    if odd:
        raise InputError(f"{path} does not fit its generator: {len(odd)} tensors differ, e.g. {min(odd)}")
    for name, target in targets.items():
        if target.shape != tensors[name].shape:
            raise InputError(f"{path}: {name} has shape {tuple(tensors[name].shape)}, expected {tuple(target.shape)}")
        target.data.copy_(tensors[name])


def _steps(checkpoints: Path) -> list[Path]:
    return sorted(path for path in checkpoints.glob("step-*") if (path / MANIFEST).is_file())
