"""The four stages as plain functions, each skipped when its result is already on disk. No orchestrator needed."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.recipe import Recipe
from infra.artifacts import folder_lock, is_finished, read_manifest, seal
from infra.config import digest
from infra.errors import BusyError, MissingError, TrainingError
from infra.process import run_on_leash
from infra.progress import Meter, console
from infra.settings import settings
from infra.weights import resolve_weights, weights_digest

if TYPE_CHECKING:
    from evaluation.measured import TruthSummary
    from evaluation.report import EvaluationReport
    from prompts.config import CorpusConfig


@dataclass(frozen=True)
class StageResult:
    """Where a stage's result is and the numbers worth showing."""

    folder: Path
    facts: dict[str, Any]


def prepare_weights(references: Sequence[str]) -> None:
    """Find all models that a run will load, and fetch what may be fetched.

    Raises:
        MissingError: weights are not on this machine and cannot be fetched.
    """
    for reference in references:
        resolve_weights(reference)


def build_corpus_stage(config: "CorpusConfig", *, keep_going: bool = False) -> StageResult:
    """Prompt sources → a versioned corpus.

    Args:
        config: what is wanted.
        keep_going: leave out sources that cannot be had.

    Raises:
        InputError: a source cannot be read, or nothing is left.
        UnavailableError: a source cannot be fetched.
    """
    from prompts.build import build_corpus

    return corpus_result(build_corpus(config, settings().corpora, keep_going=keep_going))


def corpus_result(folder: Path) -> StageResult:
    """What there is to say of a finished corpus."""
    from prompts.corpus import corpus_stats

    stats = corpus_stats(folder)
    return StageResult(
        folder,
        {
            "corpus": folder.parent.name,
            "version": folder.name,
            "rows read": stats["read"],
            "prompts": stats["prompts"],
            **{f"refused: {reason}": count for reason, count in stats["refused"].items()},
            **{f"merged: {rule}": count for rule, count in stats["merged"].items()},
            **{f"left out: {source['name']}": source["reason"] for source in stats["missing"]},
            **{f"empty: {source['name']}": f"no rows in {source['file']}" for source in empty_sources(stats)},
        },
    )


def empty_sources(stats: dict[str, Any]) -> list[dict[str, Any]]:
    """Sources of a corpus that were there and held nothing: a download that went wrong, often."""
    return [source for source in stats["sources"] if not source["read"]]


def train_stage(recipe: Recipe, corpus: Path, should_stop: Callable[[], bool] = lambda: False) -> StageResult:
    """Corpus → a trained run, in a process group of its own.

    Args:
        recipe: what to train.
        corpus: folder of a finished corpus.
        should_stop: asked several times a second; True ends the training, which can be resumed.

    Raises:
        TrainingError: it stopped before its end.
    """
    from prd.job import TrainingJob, run_name

    inputs = training_inputs(recipe, corpus)
    folder = settings().training / run_name(recipe, inputs)
    if not is_finished(folder, inputs):
        job = TrainingJob(folder, _training_part(recipe), corpus, inputs)
        job.write()
        console.print(f"training in {folder}, log in {folder / 'train.log'}")
        _run_training(job, should_stop)
    manifest = read_manifest(folder)
    return StageResult(folder / manifest.facts["checkpoint"], {"run": folder.name, **manifest.facts})


def training_inputs(recipe: Recipe, corpus: Path) -> dict[str, str]:
    """Digests of everything that determines the trained weights."""
    return {
        "recipe": recipe.training_digest(),
        "corpus": corpus.name,
        **{f"weights {name}": weights_digest(resolve_weights(name)) for name in recipe.weights()},
    }


def discard_training(recipe: Recipe, corpus: Path) -> None:
    """Forget what `train_stage` would go on from."""
    from prd.job import run_name

    folder = settings().training / run_name(recipe, training_inputs(recipe, corpus))
    with folder_lock(folder):
        shutil.rmtree(folder, ignore_errors=True)


def evaluate_stage(recipe: Recipe, checkpoint: Path) -> StageResult:
    """Checkpoint → meshes of the evaluation prompts → report.

    Raises:
        InputError: the evaluation prompts cannot be read.
        MissingError: the checkpoint or the judge's weights are not here.
    """
    from evaluation.evaluate import evaluate
    from evaluation.gallery import GeneratedMesh
    from evaluation.protocol import protocol_for
    from evaluation.registry import champion, checkpoint_digest
    from evaluation.report import EvaluationReport
    from flows.comparing import make_references, reference_inputs
    from infra.artifacts import code_version, finish
    from prd.inference import TextToMesh
    from prompts.sources import load_prompts

    config = recipe.evaluation
    prompts = load_prompts(config.prompts)[: config.limit]
    protocol = protocol_for(config, prompts)
    run = checkpoint.parent.parent
    folder = settings().evaluations / f"{run.name}-{checkpoint.name}" / protocol.id
    # The gate judges the numbers; it does not change them.
    made_by = digest(config.model_dump(mode="json", exclude={"gate": True, "model_name": True, "prompts": True}))
    inputs = {"checkpoint": checkpoint_digest(checkpoint), "evaluation": made_by, "protocol": protocol.id}
    inputs |= reference_inputs(recipe, checkpoint)

    def generated():
        pipeline = TextToMesh.from_checkpoint(checkpoint)
        for seed in config.seeds:
            yield from map(GeneratedMesh.of, pipeline.generate(prompts, seed))

    def build(staging: Path) -> dict[str, Any]:
        trained_from = _inputs_of(checkpoint)
        context = {
            "recipe": recipe.name,
            "recipe_digest": trained_from.get("recipe", ""),
            "corpus_version": trained_from.get("corpus", ""),
            "checkpoint": f"{run.name}/{checkpoint.name}",
            "checkpoint_digest": inputs["checkpoint"],
            "code_version": code_version(),
        }
        report = evaluate(
            generated(),
            prompts,
            config,
            staging,
            context,
            references=make_references(recipe, checkpoint, prompts),
            champion=champion(config.model_name),
        )
        return {"clip_score": report.scores.clip_score.x100, "r_at_1": report.scores.r_at_1.x100}

    finish(folder, kind="evaluation", inputs=inputs, build=build)
    report = EvaluationReport.load(folder)
    scores, counts = report.scores, report.counts
    return StageResult(
        folder,
        {
            "CLIP score (x100)": scores.clip_score.x100,
            "R@1 (%)": scores.r_at_1.x100,
            "meshes": counts.meshes,
            "failed meshes": counts.failed,
            **_truth_facts(report.truth),
            **_reference_facts(report),
            "protocol": protocol.id,
            "report": str(folder / "report.html"),
        },
    )


def _reference_facts(report: "EvaluationReport") -> dict[str, float]:
    facts = {}
    for reference in report.references:
        found = {
            "CLIP score (x100)": reference.scores.clip_score.x100,
            "R@1 (%)": reference.scores.r_at_1.x100,
            **_truth_facts(reference.truth),
        }
        facts |= {f"{reference.name}: {name}": value for name, value in found.items()}
    return facts


def _truth_facts(truth: "TruthSummary | None") -> dict[str, float]:
    if truth is None:
        return {}
    found = {
        "colour accuracy (%)": truth.colour_accuracy,
        "shape accuracy (%)": truth.shape_accuracy,
        "IoU": truth.iou,
        "nose in front only (%)": truth.mark_in_front_only,
    }
    return {name: round(value, 2) for name, value in found.items() if value is not None}


def register_stage(recipe: Recipe, checkpoint: Path, evaluation: Path) -> StageResult:
    """Checkpoint and report → a registered version, champion when the gate passes.

    Raises:
        UnavailableError: the registry does not answer.
    """
    from evaluation.gate import decide
    from evaluation.registry import champion, register
    from evaluation.report import EvaluationReport
    from infra.tracking import recorded_run

    config = recipe.evaluation
    report = EvaluationReport.load(evaluation)
    verdict = decide(report, config.gate, champion(config.model_name))
    run = checkpoint.parent.parent
    registered = register(
        checkpoint,
        report,
        evaluation,
        verdict,
        config.model_name,
        run_id=recorded_run(run),
        tags={"training_run": run.name},
    )
    return StageResult(
        checkpoint,
        {
            "model": registered.name,
            "version": registered.version,
            "champion": "yes" if registered.is_champion else "no",
            "reason": registered.reason,
            "registry": settings().tracking_uri,
        },
    )


def _training_part(recipe: Recipe) -> Any:
    from prd.config import TrainingRecipe

    return TrainingRecipe(**{name: getattr(recipe, name) for name in TrainingRecipe.model_fields})


def _run_training(job: Any, should_stop: Callable[[], bool]) -> None:
    from prd.checkpoint import latest_checkpoint
    from prd.job import RECIPE, last_step, read_outcome
    from prd.published import ADAPTER, CARD, GENERATOR

    iterations = job.recipe.train.iterations
    with Meter("training", iterations) as meter:
        status = run_on_leash(
            [sys.executable, "-m", "prd.launch", str(job.folder)],
            log=job.folder / "train.log",
            environment={
                "PRD_HOME": str(settings().home.absolute()),
                "PRD_WEIGHTS": str(settings().weights_folder),
                "PYTHONUNBUFFERED": "1",
            },
            should_stop=should_stop,
            on_poll=lambda: meter.reach(last_step(job.folder)),
        )
    if status == BusyError.exit_code:
        raise BusyError(f"another process is training {job.folder}", "wait for it, or end that process")
    if status != 0:
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        raise read_outcome(job.folder) or TrainingError(
            f"training ended {how}; the end of {job.folder / 'train.log'} says more",
            "run the same command again to go on from the last checkpoint",
        )
    checkpoint = latest_checkpoint(job.folder)
    assert checkpoint is not None
    seal(
        job.folder,
        kind="training",
        inputs=job.inputs,
        facts={"checkpoint": str(checkpoint.relative_to(job.folder)), "iterations": iterations},
        outputs=[job.folder / RECIPE, checkpoint / ADAPTER, checkpoint / GENERATOR, checkpoint / CARD],
    )


def _inputs_of(checkpoint: Path) -> dict[str, str]:
    """What it was trained from; a published checkpoint does not say."""
    try:
        return read_manifest(checkpoint).inputs
    except MissingError:
        return {}
