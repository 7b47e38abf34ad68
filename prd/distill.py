"""Algorithm 1: progressive rendering distillation.

    for k = 1 … K:                                  T = t_1 > t_2 > … > t_K
        z_t  ← α_t ẑ_0 + σ_t ε                      fresh noise; ẑ_0 is noise itself when k = 1
        ẑ_0  ← (z_t − σ_t ε̂(z_t; t, y)) / α_t
        fields ← decode(ẑ_0)
        views  ← render(fields, cameras)            by volume and by mesh, cameras drawn anew
        ask every teacher for d(loss)/d(views)
        ẑ_0  ← stop-gradient(ẑ_0)
    backward through every step with the teachers' answers, each weighted 1/K

Weights change only after all K steps and ẑ_0 is detached between them, so no forward pass waits for a teacher.

Legend: B prompts, V views, N = B*V, P = 6 planes, K steps.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch
from torch import Tensor

from infra.seeds import derive_seed, generator_for
from prd.config import TrainConfig
from prd.generator import TriplaneGenerator
from prd.render.mesh import render_mesh
from prd.render.volume import render_volume
from teachers.cameras import Cameras, sample_training_cameras
from teachers.contract import PendingReply, TeacherReply, TeacherRequest, TeacherSpec
from teachers.maps import RenderedViews, teacher_pixels
from teachers.pool import TeacherPool


@dataclass(frozen=True)
class Batch:
    """The prompts of one micro-batch and where in the run it stands."""

    prompts: tuple[str, ...]  # B
    text: Tensor  # [B, L, D] embeddings for the generator
    progress: float
    """Finished fraction of the run in [0, 1]."""
    seed: int
    """Names all randomness of this micro-batch."""
    compare: bool = False
    """Also measure how strongly each teacher pulls, and how far they agree; changes nothing else."""


_Question = tuple[str, str]
"""Renderer and teacher: of each step one question."""


@dataclass(frozen=True)
class _Seen:
    """What came of one denoising step, attached to the student's graph unless it will be made again."""

    clean: Tensor  # [B*6, 4, h, w]
    planes: Tensor  # [B, 6, C, H, W]
    pixels: dict[_Question, Tensor]
    """What the teacher is shown, `[N, C, R, R]`."""
    regulariser: Tensor
    metrics: dict[str, float]


@dataclass(frozen=True)
class _Step:
    """A denoising step whose backward pass is still to come."""

    see: Callable[[], _Seen]
    replies: dict[_Question, PendingReply]
    is_last: bool
    """Of the K."""


def distill(
    student: TriplaneGenerator,
    teachers: TeacherPool,
    batch: Batch,
    config: TrainConfig,
    backward: Callable[[Tensor], None],
) -> dict[str, float]:
    """Run Algorithm 1 on one micro-batch and accumulate the student's gradients.

    Args:
        student: the generator in training.
        teachers: whom to ask.
        batch: prompts, their embeddings, seed and progress.
        config: renderers, cameras, ramps, `max_inflight_steps` and `recompute`.
        backward: called K times with a loss whose sum over the calls is the loss of the iteration.

    Returns:
        Numbers to log, averaged over the K steps.

    Raises:
        TrainingError: a teacher stayed away or answered with values that are not finite.
    """
    metrics = _Metrics()
    in_flight: deque[_Step] = deque()

    def settle() -> None:
        step = in_flight.popleft()
        seen = step.see()  # before the answers are waited for
        replies = {asked: reply.result() for asked, reply in step.replies.items()}
        for (renderer, name), reply in replies.items():
            metrics.add({f"teachers/{name}/{renderer}/{key}": value for key, value in reply.metrics.items()})
        if batch.compare and step.is_last:
            metrics.add(_compare_teachers(seen, replies))
        backward(_loss(seen, replies) / len(student.timesteps))

    def submit(
        k: int, replies: dict[_Question, PendingReply], asked: _Question, pixels: Tensor, cameras: Cameras
    ) -> None:
        replies[asked] = teachers.submit(asked[1], _request(asked, pixels, cameras, batch, k))

    noise = generator_for(batch.seed, "noise")
    clean = student.initial_noise(len(batch.prompts), noise)
    for k, timestep in enumerate(student.timesteps):
        fresh = clean if k == 0 else student.initial_noise(len(batch.prompts), noise)
        noisy = fresh if k == 0 else student.schedule.add_noise(clean, fresh, timestep)
        replies: dict[_Question, PendingReply] = {}
        see = partial(_see, student, teachers.specs, noisy, batch, k, config)
        with torch.set_grad_enabled(not config.recompute):
            seen = see(partial(submit, k, replies))
        metrics.add(seen.metrics)
        clean = seen.clean.detach()
        is_last = k == len(student.timesteps) - 1
        in_flight.append(_Step(see if config.recompute else partial(_as_it_is, seen), replies, is_last))
        del seen  # with `recompute`, a step in flight holds no picture
        if len(in_flight) == config.max_inflight_steps:
            settle()
    while in_flight:
        settle()
    return metrics.means()


def _as_it_is(seen: _Seen) -> _Seen:
    return seen


def _show_nobody(asked: _Question, pixels: Tensor, cameras: Cameras) -> None:
    """They have seen it."""


def _see(
    student: TriplaneGenerator,
    specs: Mapping[str, TeacherSpec],
    noisy: Tensor,  # [B*6, 4, h, w]
    batch: Batch,
    k: int,
    config: TrainConfig,
    show: Callable[[_Question, Tensor, Cameras], None] = _show_nobody,
) -> _Seen:
    """Denoise, decode and render; the same whenever it is called before the optimiser's next step. Teachers are shown
    each rendering as soon as it is there, so that they begin while the next one is made."""
    timestep = student.timesteps[k]
    clean = student.schedule.predict_clean(noisy, student.predict_noise(noisy, timestep, batch.text), timestep)
    planes = student.decode(clean)
    draws = generator_for(batch.seed, k, "render")
    fields, prompts = student.fields(planes), len(batch.prompts)
    cameras = sample_training_cameras(prompts, config.views, draws, config.cameras).to(planes.device)
    background = _background(prompts, config, draws).to(planes.device)

    first_view = torch.randint(config.views, (prompts,), generator=draws)

    pixels: dict[_Question, Tensor] = {}
    metrics: dict[str, float] = {}
    # A step that nothing sees still takes part in the backward pass, on every process alike.
    regulariser = planes.sum() * 0.0
    if config.mesh is not None:
        views = render_mesh(fields, cameras, background, config.mesh)
        pixels |= _shown("mesh", views, cameras, first_view, specs, show)
    if config.volume is not None:
        # The opposite views of the mesh's: a teacher of single pictures sees two sides of an object.
        opposite = first_view + config.views // 2
        volume = render_volume(fields, cameras, background, config.volume, batch.progress, draws)
        pixels |= _shown("volume", volume.views, cameras, opposite, specs, show)
        sparsity, eikonal = volume.sparsity(), volume.eikonal()
        regulariser = (
            regulariser
            + config.volume.sparsity.at(batch.progress) * sparsity
            + config.volume.eikonal.at(batch.progress) * eikonal
        )
        metrics = {"sparsity": sparsity.item(), "eikonal": eikonal.item()}
    return _Seen(clean, planes, pixels, regulariser, metrics)


def _shown(
    renderer: str,
    views: RenderedViews,
    cameras: Cameras,
    first_view: Tensor,  # [B] of a prompt, for teachers that see only some
    specs: Mapping[str, TeacherSpec],
    show: Callable[[_Question, Tensor, Cameras], None],
) -> dict[_Question, Tensor]:
    """Show every teacher what it looks at of one rendering."""
    prompts = len(first_view)
    shown: dict[_Question, Tensor] = {}
    for name, spec in specs.items():
        chosen = _views_for(spec, prompts, len(cameras) // prompts, first_view)
        shown[renderer, name] = teacher_pixels(views.select(chosen), spec)
        show((renderer, name), shown[renderer, name], cameras.select(chosen))
    return shown


def _loss(seen: _Seen, replies: Mapping[_Question, TeacherReply]) -> Tensor:
    """A scalar whose gradient is that of the teachers' losses plus the regularisers'."""
    loss = seen.regulariser
    for asked, reply in replies.items():
        pixels = seen.pixels[asked]
        loss = loss + (pixels * reply.gradient.to(pixels)).sum()
    return loss


def _compare_teachers(seen: _Seen, replies: Mapping[_Question, TeacherReply]) -> dict[str, float]:
    """The gradient of each teacher for the planes, where all of them meet: its norm, its share of all norms, and the
    cosine between each two."""
    pulls: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for _, name in replies):
        asked = {question: reply for question, reply in replies.items() if question[1] == name}
        loss = _loss(seen, asked) - seen.regulariser
        pulls[name] = torch.autograd.grad(loss, seen.planes, retain_graph=True)[0].flatten()
    norms = {name: pull.norm().item() for name, pull in pulls.items()}
    whole = sum(norms.values()) or 1.0
    found = {f"teachers/{name}/planes_gradient_norm": norm for name, norm in norms.items()}
    found |= {f"teachers/{name}/share": norm / whole for name, norm in norms.items()}
    for one, other in combinations(pulls, 2):
        cosine = torch.cosine_similarity(pulls[one], pulls[other], dim=0)
        found[f"teachers/{one}~{other}/cosine"] = cosine.item()
    return found


def _views_for(spec: TeacherSpec, prompts: int, views: int, start: Tensor) -> Tensor:  # -> [B * spec.views]
    """Rows of the views a teacher gets: all of a prompt's, or as many from `start` [B] as it judges, evenly around."""
    offsets = torch.arange(spec.views) * (views // spec.views)
    if spec.views == views:
        start = torch.zeros_like(start)
    return (torch.arange(prompts).unsqueeze(1) * views + (start.unsqueeze(1) + offsets) % views).flatten()


def _request(asked: _Question, pixels: Tensor, cameras: Cameras, batch: Batch, k: int) -> TeacherRequest:
    return TeacherRequest(
        pixels=pixels.detach(),
        c2w=cameras.c2w,
        relative_distance=cameras.relative_distance,
        prompts=batch.prompts,
        progress=batch.progress,
        seed=derive_seed(batch.seed, k, *asked),
    )


def _background(prompts: int, config: TrainConfig, draws: torch.Generator) -> Tensor:  # -> [N, 3]
    if config.background == "white":
        return torch.ones(prompts * config.views, 3)
    return torch.rand(prompts, 3, generator=draws).repeat_interleave(config.views, dim=0)


class _Metrics:
    """Means of named numbers."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        return {name: sum(values) / len(values) for name, values in self._values.items()}
