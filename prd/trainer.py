"""The training loop of one process."""

import platform
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import torch
import torch.distributed as dist

from infra.artifacts import code_version, write_json
from infra.errors import RecipeError
from infra.progress import track
from infra.seeds import derive_seed
from infra.tracking import RunTracker
from infra.weights import resolve_weights
from prd.checkpoint import (
    ENGINE,
    TrainerState,
    latest_checkpoint,
    publish_checkpoint,
    staging_folder,
)
from prd.config import TrainConfig
from prd.distill import Batch, distill
from prd.engine import Engine
from prd.generator import TriplaneGenerator
from prd.job import TrainingJob, append_metrics, forget_metrics_after
from prd.published import load_trained
from prd.samples import sample_sheet, write_picture
from prompts.corpus import open_corpus
from prompts.sampler import PromptSampler, SamplerState, visit_weights
from teachers.pool import TeacherPool
from teachers.text import TextEncoder

_SAMPLES = 4
"""Prompts that are drawn at every checkpoint."""


class Trainer:
    """Progressive rendering distillation on this process's share of every batch.

    `torch.distributed` must be initialised. Continues from the run's newest checkpoint.

    Args:
        job: the run.
        teachers: started elsewhere.
        device: of this process.
    """

    def __init__(self, job: TrainingJob, teachers: TeacherPool, device: torch.device) -> None:
        self.job, self.teachers, self.device = job, teachers, device
        self.config: TrainConfig = job.recipe.train
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        base = resolve_weights(job.recipe.generator.base)
        for name, spec in teachers.specs.items():
            if self.config.views % spec.views:
                raise RecipeError(
                    f"train.views is {self.config.views}, teacher {name!r} judges {spec.views} views at a time",
                    f"make train.views a multiple of {spec.views}",
                )
        self.text_encoder = TextEncoder.from_folder(base, device)
        self.corpus = open_corpus(job.corpus)

        # Equal on every process: adapters are drawn at random.
        self.student = TriplaneGenerator.untrained(base, job.recipe.generator, self.config.seed).to(device)
        self.step, sampler_state = 0, SamplerState()
        checkpoint = latest_checkpoint(job.folder)
        if checkpoint is not None:
            state = TrainerState.read(checkpoint)
            self.step, sampler_state = state.step, state.sampler
            load_trained(self.student, checkpoint)
        self.engine = Engine(self.student, self.config)
        if checkpoint is not None:
            self.engine.load(checkpoint / ENGINE)
        batch_size = self.config.prompts_per_worker * self.world_size
        weights = visit_weights(self.corpus.cluster_sizes, self.config.cluster_weight, self.corpus.weights)
        self.sampler = PromptSampler(len(self.corpus), self.config.seed, batch_size, sampler_state, weights)

    def run(self) -> Path:
        """Train to the last iteration; returns the last checkpoint."""
        self.teachers.wait_ready()  # they load while this process does
        steps = range(self.step, self.config.iterations)
        if self.rank > 0:
            for _ in steps:
                self._iterate()
                self._save_if_due()
        else:
            self._run_first(steps)
        checkpoint = latest_checkpoint(self.job.folder)
        assert checkpoint is not None
        return checkpoint

    def _run_first(self, steps: range) -> None:
        """The first process also keeps the books."""
        folder = self.job.folder
        forget_metrics_after(folder, self.step)
        write_json(folder / "provenance.json", self._provenance())
        with RunTracker(folder.name, folder, tags=self.job.inputs) as tracker:
            tracker.log_params(self.job.recipe.model_dump(mode="json"))
            for _ in track(steps, "training", total=self.config.iterations, done=self.step):
                metrics = self._iterate()
                # Before the checkpoint: a resumed run drops what is too much, but could not make up a line.
                append_metrics(folder, self.step, metrics)
                tracker.log(metrics, self.step)
                self._save_if_due()

    def _iterate(self) -> dict[str, float]:
        """One optimiser step; returns this process's numbers."""
        started = time.monotonic()
        progress = self.step / self.config.iterations
        totals: dict[str, float] = {}
        for part in range(self.config.accumulation):
            metrics = distill(
                self.student,
                self.teachers,
                self._batch(part, progress),
                self.config,
                lambda loss: self.engine.backward(loss / self.config.accumulation),
            )
            for name, value in metrics.items():
                totals[name] = totals.get(name, 0.0) + value / self.config.accumulation
        self.engine.step()
        self.step += 1
        totals["seconds"] = time.monotonic() - started
        if self.device.type == "cuda":
            totals["gpu_memory_gb"] = torch.cuda.max_memory_allocated(self.device) / 2**30
        return totals

    def _save_if_due(self) -> None:
        if self.step % self.config.checkpoint_every == 0 or self.step == self.config.iterations:
            self._save()

    def _batch(self, part: int, progress: float) -> Batch:
        indices = self.sampler.next_batch(self.rank, self.world_size)
        every = self.config.compare_teachers_every
        prompts = tuple(self.corpus.take(indices))
        return Batch(
            prompts=prompts,
            text=self.text_encoder.encode(prompts),
            progress=progress,
            seed=derive_seed(self.config.seed, self.rank, self.step, part),
            compare=bool(every) and self.step % every == 0,
        )

    def _save(self) -> None:
        checkpoints = self.job.folder / "checkpoints"
        staging = staging_folder(checkpoints)
        if self.rank == 0:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
        dist.barrier()
        trained = self.engine.trained_state()
        sheet = sample_sheet(self.student, self.text_encoder.encode(self.corpus[:_SAMPLES]), self.config.seed)
        self.engine.save(staging / ENGINE)
        dist.barrier()
        if self.rank == 0:
            state = TrainerState(self.step, self.sampler.state, self.world_size)
            keep = self.config.keep_checkpoints
            publish_checkpoint(checkpoints, state, trained, self.student, self.job.inputs, keep)
            write_picture(sheet, self.job.folder / "samples" / f"step-{self.step:06d}.png")
        dist.barrier()

    def _provenance(self) -> dict[str, object]:
        packages = ("torch", "diffusers", "transformers", "deepspeed", "ray", "datasets", "prefect", "mlflow")
        cuda = self.device.type == "cuda"
        return {
            "code": code_version(),
            "python": platform.python_version(),
            "machine": platform.platform(),
            "device": torch.cuda.get_device_name(self.device) if cuda else platform.processor() or "cpu",
            "workers": self.world_size,
            "packages": {name: version(name) for name in packages},
            "inputs": self.job.inputs,
            "resumed_from_step": self.step,
        }
