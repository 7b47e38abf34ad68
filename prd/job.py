"""A training run on disk: what the flow asks for, what the launcher and its workers read.

training/<run>/
  recipe.yaml       the resolved recipe
  job.json          corpus and inputs
  provenance.json   code, packages and hardware
  metrics.jsonl     one line an iteration
  samples/          the same prompts, drawn at every checkpoint
  checkpoints/
  outcome.json      how the last launch ended
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.artifacts import write_json, write_text
from infra.config import digest
from infra.errors import MissingError, PRDError
from infra.recipe import validate
from prd.config import TrainingRecipe

RECIPE, JOB, METRICS, OUTCOME = "recipe.yaml", "job.json", "metrics.jsonl", "outcome.json"


@dataclass(frozen=True)
class TrainingJob:
    """One training run."""

    folder: Path
    recipe: TrainingRecipe
    corpus: Path
    inputs: dict[str, str]
    """Digests of recipe, corpus and weights; they name the run."""

    @classmethod
    def read(cls, folder: Path) -> "TrainingJob":
        """The job that `write` left in a run's folder.

        Raises:
            MissingError: the folder is not a training run.
        """
        try:
            content = json.loads((folder / JOB).read_text(encoding="utf-8"))
            tree = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise MissingError(f"{folder} is not a training run: {error.filename} is missing") from None
        recipe = validate(tree, TrainingRecipe, origin=str(folder / RECIPE))
        return cls(folder, recipe, Path(content["corpus"]), content["inputs"])

    def write(self) -> None:
        """Lay down the run's folder; harmless when it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tree = self.recipe.model_dump(mode="json")
        write_text(self.folder / RECIPE, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
        write_json(self.folder / JOB, {"corpus": str(self.corpus), "inputs": self.inputs})


def run_name(recipe: TrainingRecipe, inputs: dict[str, str]) -> str:
    """A run's folder: the recipe's name and a digest of all that determines the result."""
    return f"{recipe.name}-{digest(inputs)[:10]}"


def write_outcome(folder: Path, error: PRDError | None) -> None:
    """Record how a launch ended, for whoever started it."""
    content: dict[str, Any] = {"finished": error is None}
    if error is not None:
        content["error"] = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
    write_json(folder / OUTCOME, content)


def read_outcome(folder: Path) -> PRDError | None:
    """The error that a launch ended with, None when it finished or left no word."""
    import infra.errors

    try:
        content = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    error = content.get("error")
    return getattr(infra.errors, error["type"])(error["message"], error["hint"]) if error else None


def append_metrics(folder: Path, step: int, metrics: dict[str, float]) -> None:
    """Add an iteration's line."""
    with (folder / METRICS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"step": step, **metrics}) + "\n")


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """All whole lines, oldest first; empty before the first iteration."""
    path = folder / METRICS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last line end is not whole
    return [json.loads(line) for line in lines]


def last_step(folder: Path) -> int:
    """The newest recorded iteration, 0 before the first. Reads only the end of the file."""
    try:
        with (folder / METRICS).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 2**16))
            lines = stream.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    return int(json.loads(lines[-1])["step"]) if lines else 0


def forget_metrics_after(folder: Path, step: int) -> None:
    """Drop lines of iterations that a resumed run makes again."""
    kept = [line for line in read_metrics(folder) if line["step"] <= step]
    write_text(folder / METRICS, "".join(json.dumps(line) + "\n" for line in kept))
