"""The training loop of every miniature model: deterministic, and resumable at any step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from infra.artifacts import write_whole
from infra.progress import track
from infra.seeds import derive_seed, generator_for

_SAVE_EVERY = 200


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    steps: int
    batch: int
    learning_rate: float
    """At its height, after a tenth of the steps; from there it falls to nothing along a cosine."""
    average: float = 0.0
    """Decay of the running average of the weights that is the result; 0 takes the last weights."""


def fit(
    name: str,
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    schedule: Schedule,
    seed: int,
    state: Path,
) -> None:
    """Minimise `loss`, or go on where `state` says an earlier call was stopped.

    Args:
        name: what is trained, for progress.
        model: its parameters are trained in place; in the end it is in evaluation mode.
        loss: of one batch, all of whose randomness comes from the generator it is given.
        schedule: steps and learning rate.
        seed: together with `name` and the step it names all randomness.
        state: file that is kept up to date while training.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, schedule.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    warm_up = max(1, schedule.steps // 10)
    slope = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, warm_up, schedule.steps))
    average = {key: value.clone() for key, value in model.state_dict().items()}
    done = 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        done, average = saved["step"], saved["average"]
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        slope.load_state_dict(saved["slope"])

    model.train()
    for step in track(range(done, schedule.steps), f"training {name}", total=schedule.steps, done=done):
        generator = generator_for(seed, name, step)
        torch.manual_seed(derive_seed(seed, name, step, "global"))  # for what cannot be given a generator
        value = loss(generator)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        slope.step()
        decay = min(schedule.average, (step + 1) / (step + 10))
        for key, tensor in model.state_dict().items():
            average[key].lerp_(tensor, 1 - decay) if tensor.is_floating_point() else average[key].copy_(tensor)
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == schedule.steps:
            content = {
                "step": step + 1,
                "loss": value.item(),
                "model": model.state_dict(),
                "average": average,
                "optimiser": optimiser.state_dict(),
                "slope": slope.state_dict(),
            }
            write_whole(state, partial(torch.save, content))
    model.load_state_dict(average)
    model.eval()


def _rate(step: int, warm_up: int, steps: int) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / (steps - warm_up))
