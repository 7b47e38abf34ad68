"""The model registry: a version for every evaluated checkpoint, and the alias `champion` for the best that passed.

Built on MLflow's logged models, versions and aliases, never on stages. A version keeps its own copy of the files that
generate and of the report, so it outlives the run's folders.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.gate import Champion
from evaluation.report import PAGE, REPORT, EvaluationReport, GateVerdict
from infra.artifacts import sha256
from infra.config import digest
from infra.errors import BusyError, InputError, MissingError
from infra.settings import settings
from infra.tracking import experiment_id, open_store, store_errors
from prd.published import ADAPTER, GENERATOR

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
PUBLISHED = (ADAPTER, GENERATOR)
"""What of a checkpoint is needed to generate."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A checkpoint in the registry."""

    name: str
    version: str
    is_champion: bool
    reason: str
    """Why it is or is not the champion."""
    is_new: bool
    """False when this checkpoint was registered with this evaluation before."""


def register(
    checkpoint: Path,
    report: EvaluationReport,
    report_folder: Path,
    verdict: GateVerdict,
    model_name: str,
    run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    *,
    uri: str | None = None,
) -> RegisteredVersion:
    """Register a checkpoint with its evaluation, and make it champion when the gate has passed.

    Doing it again with the same checkpoint and the same findings changes nothing, except that an interrupted
    promotion is completed and a new verdict recorded.

    Args:
        checkpoint: folder with `adapter.safetensors` and `generator.json`.
        report: what the evaluation found.
        report_folder: where `report.json` and `report.html` are for good.
        verdict: the gate's, against the champion of now.
        model_name: registered model.
        run_id: MLflow run that trained the checkpoint; a small one is made when there was none.
        tags: what else to write on the version.
        uri: store; default from the settings.

    Raises:
        MissingError: the checkpoint or the report is not complete.
        BusyError: another checkpoint became champion after the verdict.
        UnavailableError: the store does not answer.
    """
    uri = uri or settings().tracking_uri
    fingerprint = checkpoint_digest(checkpoint)
    _require(report_folder, (REPORT, PAGE))
    registration = digest({"checkpoint": fingerprint, "evaluation": report.identity})[:16]
    with store_errors(uri):
        client = open_store(uri)
        _ensure_model(client, model_name)
        found = client.search_model_versions(f"name = '{model_name}' and tags.registration = '{registration}'")
        if found:
            version = str(found[0].version)
        else:
            facts = _facts(checkpoint, fingerprint, report, report_folder)
            facts |= {**(tags or {}), "registration": registration}
            run_id = run_id or _own_run(client, uri, checkpoint)
            version = _create_version(client, uri, model_name, checkpoint, report_folder, run_id, facts)
            _log_scores(client, run_id, report)
        reason = _settle(client, model_name, version, verdict)
        now = client.get_registered_model(model_name).aliases.get(CHAMPION)
    return RegisteredVersion(model_name, version, is_champion=str(now) == version, reason=reason, is_new=not found)


def champion(model_name: str, *, uri: str | None = None) -> Champion | None:
    """The version that holds the alias, with the scores it was registered with.

    Raises:
        InputError: someone gave the alias to a version that has no scores.
        UnavailableError: the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    uri = uri or settings().tracking_uri
    with store_errors(uri):
        client = open_store(uri)
        try:
            version = client.get_registered_model(model_name).aliases.get(CHAMPION)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if version is None:
            return None
        entry = client.get_model_version(model_name, version)
    try:
        return Champion(
            model_name=model_name,
            version=str(version),
            protocol=entry.tags["protocol"],
            clip_score=float(entry.tags["clip_score"]),
            r_at_1=float(entry.tags["r_at_1"]),
            checkpoint=entry.tags["checkpoint"],
            checkpoint_digest=entry.tags["checkpoint_digest"],
            evaluation=entry.tags["evaluation_identity"],
            source=entry.source or "",
        )
    except KeyError as error:
        raise InputError(
            f"version {version} of {model_name!r} is champion but lacks the tag {error}",
            "give the alias to a version that this pipeline registered, or remove it",
        ) from None


def checkpoint_digest(checkpoint: Path) -> str:
    """SHA-256 over the files of a checkpoint that are needed to generate.

    Raises:
        MissingError: one of them is not there.
    """
    _require(checkpoint, PUBLISHED)
    return digest({name: sha256(checkpoint / name) for name in PUBLISHED})


def _require(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise MissingError(f"{folder} has no {name}", "give the folder of a finished checkpoint or evaluation")


def _facts(checkpoint: Path, fingerprint: str, report: EvaluationReport, report_folder: Path) -> dict[str, str]:
    return {
        **report.context,
        "checkpoint": str(checkpoint.absolute()),
        "checkpoint_digest": fingerprint,
        "evaluation": str(report_folder.absolute()),
        "evaluation_identity": report.identity,
        "protocol": report.protocol.id,
        "clip_score": f"{report.scores.clip_score.x100}",
        "r_at_1": f"{report.scores.r_at_1.x100}",
        "r_at_1_pooled": f"{report.scores.r_at_1_pooled.x100}",
        "failed_meshes": f"{report.counts.failed} of {report.counts.meshes}",
    }


def _ensure_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _own_run(client: "MlflowClient", uri: str, checkpoint: Path) -> str:
    # Without a run, MLflow's SQL store looks for the model in its global default store instead of this one.
    run = client.create_run(experiment_id(client, uri), run_name=f"register {checkpoint.name}")
    client.set_terminated(run.info.run_id)
    return run.info.run_id


def _create_version(
    client: "MlflowClient",
    uri: str,
    model_name: str,
    checkpoint: Path,
    report_folder: Path,
    run_id: str,
    facts: Mapping[str, str],
) -> str:
    model = client.create_logged_model(
        experiment_id(client, uri), name=model_name, source_run_id=run_id, params=dict(facts), model_type="generator"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "evaluation").mkdir()
        for name in PUBLISHED:
            (folder / name).symlink_to((checkpoint / name).absolute())
        for name in (REPORT, PAGE):
            (folder / "evaluation" / name).symlink_to((report_folder / name).absolute())
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    version = client.create_model_version(
        model_name, model.artifact_location, run_id=run_id, tags=dict(facts), model_id=model.model_id
    )
    return str(version.version)


def _log_scores(client: "MlflowClient", run_id: str, report: EvaluationReport) -> None:
    scores: dict[str, Any] = dict(report.scores)
    for name, score in scores.items():
        client.log_metric(run_id, f"evaluation/{name}", score.x100)


def _settle(client: "MlflowClient", model_name: str, version: str, verdict: GateVerdict) -> str:
    """Record the verdict and move the alias if it says so; the reason is written first, so none moves without one."""
    holder = client.get_registered_model(model_name).aliases.get(CHAMPION)
    holder = None if holder is None else str(holder)
    if holder == version:
        return client.get_model_version(model_name, version).tags["gate_reason"]
    if verdict.passed and holder != verdict.champion_version:
        raise BusyError(
            f"version {holder} became champion of {model_name!r} while version {version} was compared with "
            f"{verdict.champion_version or 'none'}",
            "register again: the gate will look at the new champion",
        )
    client.set_model_version_tag(model_name, version, "gate_passed", str(verdict.passed).lower())
    client.set_model_version_tag(model_name, version, "gate_reason", verdict.reason)
    if verdict.passed:
        client.set_registered_model_alias(model_name, CHAMPION, version)
    return verdict.reason
