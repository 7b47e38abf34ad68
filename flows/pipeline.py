"""The pipeline as Prefect flows: corpus → train → evaluate → register. Each stage leaves an artifact with its numbers.

What is finished on disk is skipped whatever Prefect remembers, so a rerun after any end goes on where it was.
"""

import logging
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.recipe import Recipe
from flows.stages import (
    StageResult,
    build_corpus_stage,
    evaluate_stage,
    prepare_weights,
    register_stage,
    train_stage,
)
from infra.errors import PRDError, RunCancelled
from infra.progress import console

_ASK_SECONDS = 3.0
_PAGES = ("report.html", "README.md")
"""What a person reads of a stage's result."""
_CANCELLED = ("the run was cancelled", "run it again to go on from the last checkpoint")


@flow(name="corpus", validate_parameters=False)
def corpus_flow(recipe: Recipe) -> StageResult:
    """Prompt sources → corpus."""
    return _leave_artifact("corpus", build_corpus_stage(recipe))


@flow(name="train", validate_parameters=False)
def train_flow(recipe: Recipe, corpus: Path) -> StageResult:
    """Corpus → checkpoint. Cancelling this flow, or the one above it, ends the training's processes."""
    try:
        return _leave_artifact("train", train_stage(recipe, corpus, should_stop=_Cancellation()))
    except RunCancelled as error:
        return Cancelled(message=error.message)  # type: ignore[return-value] # Prefect takes it for this run's end


@flow(name="evaluate", validate_parameters=False)
def evaluate_flow(recipe: Recipe, checkpoint: Path) -> StageResult:
    """Checkpoint → report."""
    return _leave_artifact("evaluate", evaluate_stage(recipe, checkpoint))


@flow(name="register", validate_parameters=False)
def register_flow(recipe: Recipe, checkpoint: Path, evaluation: Path) -> StageResult:
    """Checkpoint and report → registered version."""
    return _leave_artifact("register", register_stage(recipe, checkpoint, evaluation))


@flow(name="pipeline")
def pipeline(recipe: Recipe) -> dict[str, StageResult]:
    """The whole of it.

    Returns:
        Results by stage: `corpus`, `train`, `evaluate`, `register`.

    Raises:
        CancelledRun: someone cancelled this run in Prefect; nothing of it is left running.
    """
    prepare_weights(recipe.all_weights())
    corpus = corpus_flow(recipe)
    try:
        training = train_flow(recipe, corpus.folder)
    except CancelledRun as error:
        return Cancelled(message=str(error))  # type: ignore[return-value]
    evaluation = evaluate_flow(recipe, training.folder)
    registration = register_flow(recipe, training.folder, evaluation.folder)
    return {"corpus": corpus, "train": training, "evaluate": evaluation, "register": registration}


def run_pipeline(recipe: Recipe) -> dict[str, StageResult]:
    """`pipeline`, with errors for people.

    Raises:
        RunCancelled: someone cancelled the run.
        PRDError: as the stages do.
    """
    try:
        return pipeline(recipe)
    except CancelledRun:
        raise RunCancelled(*_CANCELLED) from None


def _leave_artifact(stage: str, result: StageResult) -> StageResult:
    rows = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in result.facts.items())
    pages = [page for page in _PAGES if (result.folder / page).is_file()]
    links = " · ".join(
        f"[{path.name}]({path.as_uri()})" for path in [result.folder, *(result.folder / p for p in pages)]
    )
    markdown = f"# {stage}\n\n| | |\n|---|---|\n{rows}\n\n{links}\n"
    create_markdown_artifact(markdown, key=stage, description=f"{stage} of {flow_run.name}")
    console.print(f"[bold]{stage}[/bold] {result.folder}")
    return result


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


class _Cancellation:
    """Asks Prefect now and then whether this flow run, or the one it belongs to, is to be cancelled."""

    def __init__(self) -> None:
        self._runs = {flow_run.id, flow_run.root_flow_run_id} - {None}
        self._asked = time.monotonic()
        self._client: Any = None

    def __call__(self) -> bool:
        if time.monotonic() - self._asked < _ASK_SECONDS:
            return False
        self._asked = time.monotonic()
        if self._client is None:
            self._client = get_client(sync_client=True)
        try:
            states = [self._client.read_flow_run(run).state for run in self._runs]
        except Exception as error:  # a server that is away for a while is no reason to stop training
            logging.getLogger(__name__).warning("Prefect does not answer: %s", error)
            return False
        if any(state is not None and (state.is_cancelling() or state.is_cancelled()) for state in states):
            raise RunCancelled(*_CANCELLED)
        return False


def _without_traceback(record: logging.LogRecord) -> bool:
    """Errors that a user can act on are messages, not tracebacks."""
    if record.exc_info and isinstance(record.exc_info[1], PRDError):
        record.exc_info = None
    return True


logging.getLogger("prefect.flow_runs").addFilter(_without_traceback)
