"""Whether a teacher keeps the contract, whoever wrote it: `prd teachers check`, or `find_breaches` in a test."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from infra.errors import PRDError
from infra.seeds import generator_for
from teachers.actor import from_wire, to_wire
from teachers.camera_config import CameraConfig
from teachers.cameras import sample_training_cameras
from teachers.config import TeacherConfig
from teachers.contract import Teacher, TeacherReply, TeacherRequest, TeacherSpec
from teachers.registry import load_teacher, teacher_spec

PROMPTS = ("a red cube", "a blue sphere")


def random_request(spec: TeacherSpec, prompts: tuple[str, ...] = PROMPTS, seed: int = 11) -> TeacherRequest:
    """Random pixels, seen from training cameras: a request that fits."""
    draws = generator_for(seed, "request")
    cameras = sample_training_cameras(len(prompts), max(spec.views, 4), draws, CameraConfig())
    kept = torch.arange(len(cameras)).view(len(prompts), -1)[:, : spec.views].flatten()
    shape = (len(kept), spec.channels, spec.resolution, spec.resolution)
    seen = cameras.select(kept)
    pixels = torch.rand(shape, generator=draws)
    return TeacherRequest(pixels, seen.c2w, seen.relative_distance, prompts, progress=0.4, seed=seed)


def find_breaches(name: str, config: TeacherConfig, device: torch.device | str = "cpu") -> list[str]:
    """Put a teacher through everything that the pool and the trainer rely on.

    Args:
        name: its key in a recipe.
        config: its section.
        device: where its networks go.

    Returns:
        What it breaks, in words; nothing for a sound one.

    Raises:
        RecipeError: its kind cannot be imported.
        MissingError: its weights are not here.
    """
    teacher = load_teacher(name, config, torch.device(device))
    return [found for check in _CHECKS for found in _tried(check, name, config, teacher)]


def _tried(check: "_Check", name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    try:
        yield from check(name, config, teacher)
    except PRDError as error:
        yield f"{check.__name__.removeprefix('_')}: {error.message}"
    except Exception as error:  # of someone's own code: anything
        yield f"{check.__name__.removeprefix('_')}: {type(error).__name__}: {error}"


def _description(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    described = teacher_spec(name, config.model_copy(update={"weights": "nowhere"}))  # the trainer has no weights
    if described != teacher.spec:
        yield f"describe() gives {described}, the loaded teacher has {teacher.spec}"


def _reply(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    request = random_request(teacher.spec)
    reply = teacher(request)
    gradient = reply.gradient
    if gradient.shape != request.pixels.shape:
        yield f"the gradient has shape {tuple(gradient.shape)}, the pixels have {tuple(request.pixels.shape)}"
    if gradient.requires_grad:
        yield "the gradient is attached to a graph, which keeps its memory"
    if not gradient.isfinite().all():
        yield "the gradient has values that are not finite"
    if not gradient.any():
        yield "the gradient of random pixels is zero everywhere"
    if odd := [key for key, value in reply.metrics.items() if not isinstance(value, float | int)]:
        yield f"metrics are numbers, but {odd[0]} is a {type(reply.metrics[odd[0]]).__name__}"


def _repetition(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    request = random_request(teacher.spec)
    first = teacher(request)
    torch.rand(1)  # whatever else happens in its process
    teacher(random_request(teacher.spec, seed=12))
    if not _equal(teacher(request), first):
        yield "equal requests get different replies: all randomness has to come from request.seed"


def _request_is_left_alone(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    request = random_request(teacher.spec)
    copy = replace(request, pixels=request.pixels.clone(), c2w=request.c2w.clone())
    teacher(request)
    if not (request.pixels.equal(copy.pixels) and request.c2w.equal(copy.c2w)):
        yield "the request was changed"


def _callers_modes(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    request = random_request(teacher.spec)
    expected = teacher(request)
    with torch.no_grad(), torch.autocast(expected.gradient.device.type, torch.bfloat16):
        found = teacher(request)
    if not _equal(found, expected):
        yield "the caller's no_grad or autocast reaches in: the answer depends on where the teacher sits"


def _travel(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    request = random_request(teacher.spec)
    reply = teacher(request)
    there = from_wire(TeacherRequest, to_wire(request))
    back = from_wire(TeacherReply, to_wire(teacher(there)))
    if not torch.equal(back.gradient, reply.gradient.float().cpu()):
        yield "an answer that has travelled is another one"


def _whole_run(name: str, config: TeacherConfig, teacher: Teacher) -> Iterator[str]:
    for progress in (0.0, 1.0):
        if not teacher(replace(random_request(teacher.spec), progress=progress)).gradient.isfinite().all():
            yield f"at progress {progress:g} the gradient has values that are not finite"
    one = teacher(random_request(teacher.spec, ("a red cube",)))
    if len(one.gradient) != teacher.spec.views:
        yield f"a single prompt gives {len(one.gradient)} gradients, not one for each of {teacher.spec.views} views"


_Check = Callable[[str, TeacherConfig, Teacher], Iterator[str]]
_CHECKS: tuple[_Check, ...] = (
    _description,
    _reply,
    _repetition,
    _request_is_left_alone,
    _callers_modes,
    _travel,
    _whole_run,
)


def _equal(one: TeacherReply, other: TeacherReply) -> bool:
    return torch.equal(one.gradient, other.gradient)
