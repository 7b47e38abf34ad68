"""One iteration of progressive rendering distillation at Stable Diffusion 2.1's size with random weights: time by
stage, memory, and the arithmetic bound.

    python -m benchmarks.train_step                             on a GPU, all three teachers on it too
    python -m benchmarks.train_step --teachers none             the student alone, as when teachers sit elsewhere
    python -m benchmarks.train_step --size miniature            a trial
    python -m benchmarks.train_step --repeats 1 --warm-up 0 train.max_inflight_steps=1      on a CPU: up to an hour

An iteration is 2 prompts x 4 views x 4 denoising steps by both renderers and one step of the optimiser, in one process
and without DeepSpeed unless it is asked for. To compare with: the aims on one H100 are 3 s with the teachers, and 24 GB
without.
"""

import os
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import AdamW

import prd.distill
from benchmarks import report
from benchmarks.full_size import local_recipe, random_student, random_weights, write_folders
from benchmarks.roofline import device_peak
from benchmarks.stages import Stages
from flows.recipe import Recipe
from infra.progress import track
from infra.seeds import derive_seed
from infra.weights import resolve_weights
from prd.config import TrainConfig
from prd.distill import Batch, distill
from prd.engine import Engine
from prd.generator import TriplaneGenerator
from prd.optim import Adan
from teachers.base import DiffusionTeacher
from teachers.contract import TeacherReply, TeacherRequest, TeacherSpec
from teachers.mvdream import MVDream
from teachers.pool import TeacherPool
from teachers.registry import teacher_spec
from teachers.richdreamer import RichDreamer
from teachers.stable_diffusion import StableDiffusion
from teachers.text import TextEncoder


class Elsewhere:
    """In place of a `TeacherPool`: its answers, all zeros, are there at once."""

    def __init__(self, recipe: Recipe) -> None:
        self.specs: dict[str, TeacherSpec] = {
            name: teacher_spec(name, config) for name, config in recipe.teachers.items()
        }

    def submit(self, name: str, request: TeacherRequest) -> "Elsewhere.Reply":
        return self.Reply(torch.zeros_like(request.pixels))

    class Reply:
        def __init__(self, gradient: Tensor) -> None:
            self._gradient = gradient

        def result(self) -> TeacherReply:
            return TeacherReply(self._gradient)


class _Plain:
    """An `Engine` of one process without DeepSpeed."""

    def __init__(self, student: TriplaneGenerator, config: TrainConfig) -> None:
        groups = student.parameter_groups(config.learning_rate, config.head_learning_rate)
        self._optimiser = Adan(groups) if config.optimiser == "adan" else AdamW(groups, weight_decay=0.0)

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self) -> None:
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)


def _deepspeed(student: TriplaneGenerator, config: TrainConfig) -> Engine:
    os.environ["LOCAL_RANK"] = "0"
    dist.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo", store=dist.HashStore(), rank=0, world_size=1
    )
    return Engine(student, config)


class Iteration:
    """What a training process does between two batches of prompts."""

    def __init__(
        self, recipe: Recipe, prompts: int, with_teachers: bool, deepspeed: bool, device: torch.device
    ) -> None:
        self.config = recipe.train
        self.student = random_student(recipe, device)
        self.engine = _deepspeed(self.student, self.config) if deepspeed else _Plain(self.student, self.config)
        self.teachers = TeacherPool.start(recipe.teachers) if with_teachers else Elsewhere(recipe)
        with random_weights(device):
            self.text_encoder = TextEncoder.from_folder(resolve_weights(recipe.generator.base), device)
            for name in recipe.teachers if with_teachers else ():
                self.teachers._local(name)  # type: ignore[union-attr] # now, not when it is first asked
        self._prompts, self._count = prompts, 0
        self.stages = Stages(device)

    def __call__(self) -> None:
        self._count += 1
        # New prompts, which no encoder remembers.
        prompts = tuple(f"a wooden chair, {self._count} {index}" for index in range(self._prompts))
        seed = derive_seed(0, "benchmark", self._count)
        batch = Batch(prompts, self.text_encoder.encode(prompts), progress=0.5, seed=seed)
        distill(self.student, self.teachers, batch, self.config, self._backward)  # type: ignore[arg-type]
        with self.stages.stage("optimiser"):
            self._count_update()
            self.engine.step()

    def _backward(self, loss: Tensor) -> None:
        with self.stages.stage("backward: rendering"):
            self.engine.backward(loss)

    def _count_update(self) -> None:
        """Weights and what the optimiser remembers are read and written, gradients read."""
        moved = {"adan": 11, "adamw": 7}[self.config.optimiser]
        self.stages.work["optimiser"].passed = moved * sum(p.nbytes for _, p in self.student.trainable())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tells its stages apart."""
        watches = (
            (TextEncoder, "encode", "text"),
            (self.student, "predict_noise", "U-Net"),
            (self.student, "decode", "decoder"),
            (prd.distill, "render_volume", "volume rendering"),
            (prd.distill, "render_mesh", "mesh rendering"),
            (StableDiffusion, "encode", lambda teacher, *_: f"{teacher.spec.name}: encoder"),
            (MVDream, "encode", lambda teacher, *_: f"{teacher.spec.name}: encoder"),
            (RichDreamer, "encode", lambda teacher, *_: f"{teacher.spec.name}: encoder"),
            (DiffusionTeacher, "predict", lambda teacher, *_: f"{teacher.spec.name}: U-Net"),
            # What is left of a teacher's call.
            (DiffusionTeacher, "__call__", lambda teacher, *_: f"{teacher.spec.name}: encoder backward"),
        )
        with ExitStack() as stack:
            stack.enter_context(_backward_split(self.student, self.stages))
            for owner, attribute, stage in watches:
                stack.enter_context(self.stages.watch(owner, attribute, stage))
            yield


@contextmanager
def _backward_split(student: TriplaneGenerator, stages: Stages) -> Iterator[None]:
    """Divide the backward pass at the planes and at the clean latents."""

    def split(module: torch.nn.Module, inputs: tuple[Tensor, ...], planes: Tensor) -> None:
        stages.begin_at_gradient(planes, "backward: decoder")

    def split_latents(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        stages.begin_at_gradient(inputs[0], "backward: U-Net")

    # The decoder's own output and the input of the convolution before it: casts aside, the planes and the latents.
    handles = [
        student.get_submodule("decoder").register_forward_hook(split),
        student.get_submodule("post_quant_conv").register_forward_pre_hook(split_latents),
    ]
    yield
    for handle in handles:
        handle.remove()


def main(arguments: list[str] | None = None) -> None:
    parser = report.options(__doc__ or "")
    parser.add_argument("--prompts", type=int, default=2, help="of one iteration (default 2)")
    parser.add_argument("--teachers", choices=("local", "none"), default="local", help="default: local")
    parser.add_argument("--deepspeed", action="store_true", help="the optimiser inside DeepSpeed, as training has it")
    options = parser.parse_intermixed_args(arguments)
    device = report.best_device()
    with tempfile.TemporaryDirectory() as folder:
        write_folders(Path(folder))
        recipe = local_recipe(options.size, Path(folder), options.overrides)
        iteration = Iteration(recipe, options.prompts, options.teachers == "local", options.deepspeed, device)
    peak = device_peak(device)
    memory, runs = report.Memory(device), []
    with iteration.watched():
        for turn in track(range(options.warm_up + options.repeats), "iterations"):
            seconds: list[dict[str, float]] = []
            with iteration.stages.timed(seconds), iteration.stages.counted(active=turn == 0):
                iteration()
            if turn >= options.warm_up:
                runs += seconds
    setting = f"{_setting(recipe, options)}\nBound: {peak}."
    sections = [setting, report.stage_table(runs, iteration.stages.work, peak, "stage"), str(memory)]
    if options.profile:
        sections.append(report.profile(iteration, device))
    report.publish("A training iteration", "train_step", device, sections, options.save, arguments)


def _setting(recipe: Recipe, options: Namespace) -> str:
    generator, train = recipe.generator, recipe.train
    optimiser = f"{train.optimiser} in DeepSpeed" if options.deepspeed else train.optimiser
    teachers = "none, zeros in place of their answers"
    if options.teachers == "local":
        teachers = ", ".join(f"{name} ({one.precision})" for name, one in recipe.teachers.items())
    return (
        f"Size {options.size}: prompts x views x steps {options.prompts} x {train.views} x {generator.steps}, "
        f"{generator.adaptation} of rank {generator.rank}, base model in {generator.precision}, "
        f"{train.max_inflight_steps} steps in flight, {optimiser}; teachers: {teachers}."
    )


if __name__ == "__main__":
    report.run_main(main)
