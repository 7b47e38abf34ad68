"""The command line as a process, and a checkpoint that costs nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.weights import resolve_weights
from prd.checkpoint import TrainerState, publish_checkpoint
from prd.config import GeneratorConfig
from prd.generator import TriplaneGenerator
from prompts.sampler import SamplerState


@pytest.fixture
def prd(home, tmp_path):
    """Run `prd …` in a process of its own; a code, standard output and standard error come back."""

    def call(*arguments: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def publish_untrained(home: Path) -> Callable[[GeneratorConfig, int], Path]:
    """`publish_untrained(config, seed)`: the checkpoint of a training that has not begun."""

    def publish(config: GeneratorConfig, seed: int) -> Path:
        student = TriplaneGenerator.untrained(resolve_weights(config.base), config, seed)
        trained = {name: parameter.detach() for name, parameter in student.trainable()}
        return publish_checkpoint(home / "checkpoints", TrainerState(0, SamplerState(), 1), trained, student, {}, 1)

    return publish
