"""The registry on a real SQLite store."""

import shutil
from pathlib import Path

import pytest

from evaluation.config import GateConfig
from evaluation.gate import decide
from evaluation.registry import RegisteredVersion, champion, checkpoint_digest, register
from evaluation.report import EvaluationReport
from infra.errors import BusyError, InputError, MissingError, UnavailableError
from infra.tracking import RunTracker, open_store

NAME = "test-model"


@pytest.fixture
def enter(tmp_path: Path, uri: str, scored):
    """Registers a checkpoint with the given content and score, as the flow does."""

    def run(content: str, clip_score: float, gate: GateConfig | None = None, **keywords) -> RegisteredVersion:
        checkpoint = make_checkpoint(tmp_path / content, content)
        report = scored(clip_score=clip_score, checkpoint=content)
        verdict = keywords.pop("verdict", None) or decide(report, gate or GateConfig(), champion(NAME, uri=uri))
        return register(checkpoint, report, save(report, tmp_path / content), verdict, NAME, uri=uri, **keywords)

    return run


def make_checkpoint(folder: Path, content: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter.safetensors").write_text(content)
    (folder / "generator.json").write_text("{}")
    (folder / "engine").mkdir(exist_ok=True)
    return folder


def save(report: EvaluationReport, folder: Path) -> Path:
    report.save(folder)
    (folder / "report.html").write_text("page")
    return folder


def test_a_checkpoint_becomes_a_version_with_its_history(enter, uri: str, tmp_path: Path) -> None:
    with RunTracker("training", tmp_path, uri=uri) as tracker:
        run_id = tracker.run_id
    registered = enter("one", 60.0, run_id=run_id, tags={"recipe": "miniature"})

    assert registered == RegisteredVersion(NAME, "1", is_champion=True, reason=registered.reason, is_new=True)
    entry = open_store(uri).get_model_version(NAME, "1")
    assert entry.run_id == run_id
    assert entry.tags["corpus_version"] == "corpus-1" and entry.tags["recipe_digest"] == "recipe-1"
    assert entry.tags["checkpoint_digest"] == checkpoint_digest(tmp_path / "one")
    assert entry.tags["recipe"] == "miniature"
    assert entry.tags["evaluation"] == str(tmp_path / "one")
    assert entry.tags["gate_passed"] == "true" and entry.tags["gate_reason"].startswith("promoted")
    assert open_store(uri).get_run(run_id).data.metrics["evaluation/clip_score"] == 60.0


def test_the_version_keeps_its_own_files(enter, uri: str, tmp_path: Path) -> None:
    enter("one", 60.0)
    shutil.rmtree(tmp_path / "one")
    kept = Path(champion(NAME, uri=uri).source.removeprefix("file://"))
    assert (kept / "adapter.safetensors").read_text() == "one"
    assert EvaluationReport.load(kept / "evaluation").scores.clip_score.x100 == 60.0
    assert not (kept / "engine").exists()


def test_registering_again_changes_nothing(enter, uri: str) -> None:
    first, second = enter("one", 60.0), enter("one", 60.0)
    assert (second.version, second.is_new, second.is_champion) == (first.version, False, True)
    assert second.reason == first.reason
    assert len(open_store(uri).search_model_versions(f"name = '{NAME}'")) == 1


def test_another_evaluation_of_a_checkpoint_is_another_version(enter) -> None:
    assert [enter("one", 60.0).version, enter("one", 61.0).version] == ["1", "2"]


def test_the_champion_moves_only_when_the_gate_passes(enter, uri: str) -> None:
    enter("one", 60.0)
    worse = enter("two", 50.0)
    assert not worse.is_champion and worse.reason.startswith("not promoted")
    assert champion(NAME, uri=uri).version == "1"
    tags = open_store(uri).get_model_version(NAME, worse.version).tags
    assert tags["gate_passed"] == "false" and tags["gate_reason"] == worse.reason

    better = enter("three", 70.0)
    now = champion(NAME, uri=uri)
    assert better.is_champion and now.version == better.version and now.clip_score == 70.0
    assert not enter("one", 60.0).is_champion, "an old champion does not come back by being registered again"


def test_a_low_score_makes_no_champion_even_without_a_rival(enter, uri: str) -> None:
    assert not enter("one", 60.0, GateConfig(min_clip_score=65)).is_champion
    assert champion(NAME, uri=uri) is None


def test_a_promotion_that_was_interrupted_is_completed(enter, uri: str) -> None:
    enter("one", 60.0)
    client = open_store(uri)
    client.delete_registered_model_alias(NAME, "champion")
    client.delete_model_version_tag(NAME, "1", "gate_reason")
    again = enter("one", 60.0)
    assert again.is_champion and not again.is_new
    assert client.get_model_version(NAME, "1").tags["gate_reason"] == again.reason


def test_a_verdict_against_a_former_champion_does_not_count(enter, scored, uri: str) -> None:
    stale = decide(scored(clip_score=65.0, checkpoint="late"), GateConfig(), None)
    enter("one", 70.0)
    with pytest.raises(BusyError, match="became champion"):
        enter("late", 65.0, verdict=stale)
    assert champion(NAME, uri=uri).version == "1"
    assert not enter("late", 65.0).is_champion


def test_there_is_no_champion_of_an_unknown_model(uri: str) -> None:
    assert champion("unknown", uri=uri) is None


def test_a_champion_from_elsewhere_is_named(uri: str) -> None:
    client = open_store(uri)
    client.create_registered_model(NAME)
    client.create_model_version(NAME, "/somewhere")
    client.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(InputError, match="lacks the tag 'protocol'"):
        champion(NAME, uri=uri)


@pytest.mark.parametrize("missing", ["adapter.safetensors", "generator.json", "report.html"])
def test_what_is_incomplete_is_not_registered(missing: str, scored, tmp_path: Path, uri: str) -> None:
    report = scored()
    folder = save(report, make_checkpoint(tmp_path / "one", "one"))
    (folder / missing).unlink()
    with pytest.raises(MissingError, match=missing):
        register(folder, report, folder, decide(report, GateConfig(), None), NAME, uri=uri)


def test_a_store_that_is_away_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="does not work"):
        champion(NAME, uri=f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
