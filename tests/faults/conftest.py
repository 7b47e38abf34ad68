"""A recipe that trains in seconds, and a look at which processes are left."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from prd.job import last_step

RECIPE = """
name: small
extends: miniature
teachers:
  mvdream: null
  richdreamer: null
  stable_diffusion: {placement: PLACEMENT}
generator: {steps: 2, surface_resolution: 24}
train:
  iterations: 6
  workers: 1
  checkpoint_every: 1
  keep_checkpoints: 2
  views: 2
  volume: {resolution: 12, coarse_intervals: 8, fine_intervals: 4}
  mesh: {resolution: 24, surface_resolution: 16}
evaluation: {limit: 3, views: {resolution: 64}, compare_teachers: false, compare_untrained: false}
"""


@dataclass(frozen=True)
class Workplace:
    """A `$PRD_HOME` and the commands that run in it."""

    home: Path
    recipe: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flows.cli", *arguments, "--recipe", str(self.recipe)]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, *arguments: str, timeout: float = 300.0) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    @property
    def run(self) -> Path:
        """The one training run."""
        (folder,) = (path for path in (self.home / "training").iterdir() if path.is_dir())
        return folder

    def step(self) -> int:
        """Iterations that are on record."""
        runs = self.home / "training"
        return last_step(self.run) if runs.is_dir() and any(path.is_dir() for path in runs.iterdir()) else 0

    def saved_step(self) -> int:
        """Step of the newest whole checkpoint; metrics run ahead of it by the time a save takes."""
        manifests = (self.home / "training").glob("*/checkpoints/step-*/manifest.json")
        return max((int(path.parent.name.removeprefix("step-")) for path in manifests), default=0)

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started, directly or not, in this workplace."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("PRD_HOME") == str(self.home):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def workplace(miniature, tmp_path) -> Callable[..., Workplace]:
    """`workplace("name", placement="local")` makes a home of its own."""
    made: list[Workplace] = []

    def make(name: str, placement: str = "local", **environment: str) -> Workplace:
        recipe = tmp_path / "small.yaml"
        recipe.write_text(RECIPE.replace("PLACEMENT", placement), encoding="utf-8")
        home = tmp_path / name
        variables = {**os.environ, "PRD_HOME": str(home), "PRD_WEIGHTS": str(miniature.parent), **environment}
        made.append(Workplace(home, recipe, variables))
        return made[-1]

    yield make
    for place in made:
        for process in place.processes():
            process.kill()


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 240
) -> None:
    """Look again and again; fail when `process` ends before or time runs out."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} before its time:\n{process.communicate()[0]}")
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause)
