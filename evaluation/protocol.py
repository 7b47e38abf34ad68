"""What makes two scores comparable, as one short digest that is printed beside every number."""

from collections.abc import Sequence

from evaluation.config import EvaluationConfig, ViewsConfig
from infra.config import Config, digest
from infra.errors import InputError
from infra.weights import resolve_weights, weights_digest

_METRICS_VERSION = 1  # raise it when a metric is computed differently


class Protocol(Config):
    """How scores were made. Two scores may be compared only when their protocols' ids are equal."""

    id: str
    """12 hex digits, the digest of everything below except `clip_weights`."""
    metrics_version: int
    """Of the formulas in `evaluation/metrics.py`."""
    views: ViewsConfig
    """Cameras, resolution, scale and background."""
    clip_weights: str
    """How the recipe calls the CLIP model."""
    clip_digest: str
    """SHA-256 of its files."""
    text_prefix: str
    """Put before every prompt."""
    compat: bool
    """Whether texts are changed as the paper's scripts did."""
    prompts_digest: str
    """SHA-256 of the distinct prompts in their order."""
    prompt_count: int
    """Distinct prompts: the candidates of R@1."""


def protocol_for(config: EvaluationConfig, prompts: Sequence[str]) -> Protocol:
    """The protocol of an evaluation that is to be made; reads the CLIP weights' digest but does not load them.

    Raises:
        MissingError: the CLIP weights are not on this machine.
    """
    texts = list(dict.fromkeys(prompts))
    content = {
        "metrics_version": _METRICS_VERSION,
        "views": config.views.model_dump(mode="json"),
        "clip_digest": weights_digest(resolve_weights(config.clip.weights)),
        "text_prefix": config.clip.text_prefix,
        "compat": config.clip.compat,
        "prompts_digest": digest(texts),
        "prompt_count": len(texts),
    }
    return Protocol(id=digest(content)[:12], clip_weights=config.clip.weights, **content)


def require_same_protocol(ours: str, theirs: str, whose: str) -> None:
    """Refuse to compare scores that were made differently.

    Raises:
        InputError: the protocol ids differ.
    """
    if ours != theirs:
        raise InputError(
            f"scores cannot be compared: this evaluation follows protocol {ours}, {whose} protocol {theirs}",
            "evaluate both checkpoints with the same prompts, views and CLIP weights",
        )
