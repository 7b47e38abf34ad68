"""How long a call of a teacher takes here, and what it needs: `prd teachers bench`."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import torch

from teachers.config import TeacherConfig
from teachers.conformance import random_request
from teachers.registry import load_teacher


@dataclass(frozen=True)
class Timing:
    """Of one teacher in this process."""

    name: str
    prompts: int
    """Of each call."""
    load_seconds: float
    first_seconds: float
    """With all that is done once."""
    call_seconds: float
    """Median of the calls after it."""
    peak_gb: float | None
    """Of the GPU's memory, weights included; None on a CPU."""


def time_teachers(
    teachers: Mapping[str, TeacherConfig], device: torch.device, prompts: int = 2, calls: int = 5
) -> Iterator[Timing]:
    """Load each teacher alone and ask it with random pixels.

    Args:
        teachers: name → section of a recipe.
        device: where their networks go.
        prompts: of each call.
        calls: that are timed, after a first one.

    Raises:
        MissingError: weights are not here.
    """
    for name, config in teachers.items():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        started = time.perf_counter()
        teacher = load_teacher(name, config, device)
        _wait(device)
        loaded = time.perf_counter()
        seconds = []
        for call in range(calls + 1):
            texts = tuple(f"a red cube, {call} {number}" for number in range(prompts))  # which no cache remembers
            request = random_request(teacher.spec, texts, seed=call)
            begun = time.perf_counter()
            teacher(request)
            _wait(device)
            seconds.append(time.perf_counter() - begun)
        peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
        yield Timing(name, prompts, loaded - started, seconds[0], median(seconds[1:]), peak)
        del teacher
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
