"""Who may become champion."""

from dataclasses import replace

import pytest

from evaluation.config import GateConfig
from evaluation.gate import Champion, decide
from evaluation.protocol import require_same_protocol
from evaluation.report import EvaluationReport
from infra.errors import InputError


@pytest.fixture
def rival(scored) -> Champion:
    """A champion with a CLIP score of 60 under the same protocol."""
    return Champion("prd", "3", scored().protocol.id, 60.0, 20.0, "somewhere", "c" * 64, "e" * 64, "source")


def failing(report: EvaluationReport, gate: GateConfig, champion: Champion | None = None) -> list[str]:
    return [check.name for check in decide(report, gate, champion).checks if not check.passed]


def test_the_first_good_checkpoint_is_promoted_with_a_reason(scored) -> None:
    verdict = decide(scored(), GateConfig(min_clip_score=50), None)
    assert verdict.passed and verdict.champion_version is None
    assert verdict.reason.startswith("promoted: ") and "there was no champion" in verdict.reason


@pytest.mark.parametrize(
    ("gate", "failed"),
    [
        (GateConfig(min_clip_score=60.01), ["CLIP score"]),
        (GateConfig(min_clip_score=60), []),
        (GateConfig(min_r_at_1=30), ["R@1"]),
        (GateConfig(max_failed_fraction=0.0), ["failed meshes"]),
        (GateConfig(min_clip_score=99, min_r_at_1=99, max_failed_fraction=0), ["failed meshes", "CLIP score", "R@1"]),
    ],
)
def test_each_threshold_is_checked(scored, gate: GateConfig, failed: list[str]) -> None:
    report = scored(clip_score=60.0, r_at_1=20.0, failed=1)
    assert failing(report, gate) == failed
    assert all(name in decide(report, gate, None).reason for name in failed)


def test_a_champion_must_be_beaten(scored, rival: Champion) -> None:
    gate = GateConfig(min_improvement=1.0)
    assert failing(scored(clip_score=60.9), gate, rival) == ["CLIP score over champion (version 3)"]
    assert failing(scored(clip_score=61.0), gate, rival) == []
    assert failing(scored(clip_score=1.0), GateConfig(min_improvement=None), rival) == []
    assert decide(scored(clip_score=61.0), gate, rival).champion_version == "3"


def test_a_champion_of_another_protocol_is_not_compared(scored, rival: Champion) -> None:
    verdict = decide(scored(clip_score=99.0), GateConfig(), replace(rival, protocol="0123456789ab"))
    assert not verdict.passed
    assert "cannot be compared" in verdict.reason and "0123456789ab" in verdict.reason


def test_the_champion_itself_stays(scored, rival: Champion) -> None:
    report = scored(clip_score=60.0)
    assert failing(report, GateConfig(min_improvement=5.0), replace(rival, evaluation=report.identity)) == []


def test_scores_of_different_protocols_refuse_to_be_compared() -> None:
    require_same_protocol("a" * 12, "a" * 12, "the other")
    with pytest.raises(InputError, match="cannot be compared") as caught:
        require_same_protocol("a" * 12, "b" * 12, "the other")
    assert "same prompts, views and CLIP weights" in caught.value.hint
