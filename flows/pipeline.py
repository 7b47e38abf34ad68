"""The pipeline as Prefect flows: corpus → train → evaluate → register. Each stage leaves an artifact with its numbers.

What is finished on disk is skipped whatever Prefect remembers, so a rerun after any end goes on where it was.
"""

import logging
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_client
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.corpus import corpus_flow
from flows.recipe import Recipe
from flows.showing import leave_artifact
from flows.stages import (
    StageResult,
    evaluate_stage,
    prepare_weights,
    register_stage,
    train_stage,
)
from infra.errors import RunCancelled

_ASK_SECONDS = 3.0
_CANCELLED = ("the run was cancelled", "run it again to go on from the last checkpoint")


@flow(name="train", validate_parameters=False)
def train_flow(recipe: Recipe, corpus: Path) -> StageResult:
    """Corpus → checkpoint. Cancelling this flow, or the one above it, ends the training's processes."""
    try:
        return leave_artifact("train", train_stage(recipe, corpus, should_stop=_Cancellation()))
    except RunCancelled as error:
        return Cancelled(message=error.message)  # type: ignore[return-value] # Prefect takes it for this run's end


@flow(name="evaluate", validate_parameters=False)
def evaluate_flow(recipe: Recipe, checkpoint: Path) -> StageResult:
    """Checkpoint → report."""
    return leave_artifact("evaluate", evaluate_stage(recipe, checkpoint))


@flow(name="register", validate_parameters=False)
def register_flow(recipe: Recipe, checkpoint: Path, evaluation: Path) -> StageResult:
    """Checkpoint and report → registered version."""
    return leave_artifact("register", register_stage(recipe, checkpoint, evaluation))


@flow(name="pipeline")
def pipeline(recipe: Recipe) -> dict[str, StageResult]:
    """The whole of it.

    Returns:
        Results by stage: `corpus`, `train`, `evaluate`, `register`.

    Raises:
        CancelledRun: someone cancelled this run in Prefect; nothing of it is left running.
    """
    prepare_weights(recipe.all_weights())
    corpus = corpus_flow(recipe.corpus)
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
