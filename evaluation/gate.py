"""Whether a checkpoint may become champion, decided from its scores and the champion's, with the reason in words."""

from dataclasses import dataclass

from evaluation.config import GateConfig
from evaluation.protocol import require_same_protocol
from evaluation.report import EvaluationReport, GateCheck, GateVerdict
from infra.errors import InputError


@dataclass(frozen=True)
class Champion:
    """The registered version that has to be beaten."""

    model_name: str
    version: str
    protocol: str
    """Id of the protocol of its scores."""
    clip_score: float
    """Times 100."""
    r_at_1: float
    """Percent."""
    checkpoint: str
    """Folder it was registered from."""
    checkpoint_digest: str
    evaluation: str
    """Identity of the report it was registered with."""
    source: str
    """Where the registry keeps its files."""


def decide(report: EvaluationReport, gate: GateConfig, champion: Champion | None) -> GateVerdict:
    """Check an evaluation against the recipe's gate and the present champion.

    A champion that was scored under another protocol cannot be compared, which fails the check: evaluate it again
    under this one, or set `min_improvement` to null.
    """
    counts, scores = report.counts, report.scores
    failed = counts.failed / counts.meshes
    checks = [
        GateCheck(
            name="failed meshes",
            value=f"{counts.failed} of {counts.meshes} ({failed:.1%})",
            threshold=f"at most {gate.max_failed_fraction:.1%}",
            passed=failed <= gate.max_failed_fraction,
        )
    ]
    for name, value, least in (
        ("CLIP score", scores.clip_score.x100, gate.min_clip_score),
        ("R@1", scores.r_at_1.x100, gate.min_r_at_1),
    ):
        if least is not None:
            checks.append(
                GateCheck(name=name, value=f"{value:.2f}", threshold=f"at least {least:g}", passed=value >= least)
            )
    if champion is not None and gate.min_improvement is not None:
        checks.append(_improvement(report, gate.min_improvement, champion))
    return GateVerdict(
        passed=all(check.passed for check in checks),
        reason=_reason(checks, champion),
        checks=tuple(checks),
        champion_version=champion.version if champion else None,
    )


def _improvement(report: EvaluationReport, least: float, champion: Champion) -> GateCheck:
    name = f"CLIP score over champion (version {champion.version})"
    same_checkpoint = champion.checkpoint_digest == report.context.get("checkpoint_digest")
    if champion.evaluation == report.identity or same_checkpoint:
        return GateCheck(name=name, value="this is the champion", threshold=f"at least {least:+g}", passed=True)
    try:
        require_same_protocol(report.protocol.id, champion.protocol, f"the champion (version {champion.version})")
    except InputError as error:
        return GateCheck(name=name, value=error.message, threshold="the same protocol", passed=False)
    clip_score = report.scores.clip_score.x100
    gain = clip_score - champion.clip_score
    return GateCheck(
        name=name,
        value=f"{gain:+.2f} ({clip_score:.2f} against {champion.clip_score:.2f})",
        threshold=f"at least {least:+g}",
        passed=gain >= least,
    )


def _reason(checks: list[GateCheck], champion: Champion | None) -> str:
    failed = [check for check in checks if not check.passed]
    if failed:
        return "not promoted: " + "; ".join(
            f"{check.name}: {check.value}, needed {check.threshold}" for check in failed
        )
    passed = "; ".join(f"{check.name}: {check.value}" for check in checks)
    return f"promoted: {passed}" + ("" if champion else "; there was no champion before")
