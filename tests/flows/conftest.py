"""A checkpoint that costs nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.weights import resolve_weights
from prd.checkpoint import TrainerState, publish_checkpoint
from prd.config import GeneratorConfig
from prd.generator import TriplaneGenerator
from prompts.sampler import SamplerState


@pytest.fixture
def publish_untrained(home: Path) -> Callable[[GeneratorConfig, int], Path]:
    """`publish_untrained(config, seed)`: the checkpoint of a training that has not begun."""

    def publish(config: GeneratorConfig, seed: int) -> Path:
        student = TriplaneGenerator.untrained(resolve_weights(config.base), config, seed)
        trained = {name: parameter.detach() for name, parameter in student.trainable()}
        return publish_checkpoint(home / "checkpoints", TrainerState(0, SamplerState(), 1), trained, student, {}, 1)

    return publish
