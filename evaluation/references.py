"""What meshes are shown beside: other pictures of the same prompts, judged by the same CLIP among the same texts.

Legend: V views, H rows, W columns, N distinct texts, D feature size.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evaluation.clip import ClipScorer, encodable
from evaluation.config import EvaluationConfig
from evaluation.gallery import GeneratedMesh, write_picture
from evaluation.judge import judge
from evaluation.measured import TruthSummary, summarise
from evaluation.report import ReferencePrompt, ReferenceResult
from evaluation.truth import measure
from evaluation.views import render_views
from infra.errors import InputError
from prd.mesh import why_unusable


@dataclass(frozen=True)
class Reference:
    """Pictures of prompts from elsewhere."""

    name: str
    """For people, and of its folder in the report."""
    pictures: Mapping[str, Tensor]
    """Prompt → [V, H, W, 3] uint8, V the same for all. A prompt without counts as a failed mesh does."""
    truth: TruthSummary | None = None
    """Of meshes that were measured."""


def reference_of_meshes(
    name: str, generated: Iterable[GeneratedMesh], config: EvaluationConfig, device: torch.device | str
) -> Reference:
    """Meshes as the evaluation itself would see and measure them. Unusable ones have no pictures."""
    pictures, measured = {}, []
    for made in generated:
        mesh = None if made.mesh is None or why_unusable(made.mesh) else made.mesh
        if mesh is not None:
            pictures[made.prompt] = render_views(mesh, config.views, device).colour
        if config.truth:
            measured.append(measure(made.prompt, mesh))
    return Reference(name, pictures, summarise(measured) if config.truth else None)


def judge_reference(
    reference: Reference,
    text_of: Mapping[str, int],
    text_features: Tensor,  # [N, D]
    scorer: ClipScorer,
    config: EvaluationConfig,
    folder: Path,
) -> ReferenceResult:
    """Score a reference and keep its pictures in `references/<name>/` below `folder`.

    Args:
        reference: what to judge.
        text_of: every distinct prompt that was asked for → its text.
        text_features: of the texts.
        scorer: takes CLIP's features.
        config: names the resampling of the intervals.
        folder: the report's.

    Raises:
        InputError: it shows a prompt that was not asked for, or another reference has the same folder.
    """
    pictures = {encodable(prompt): views for prompt, views in reference.pictures.items()}
    strange = pictures.keys() - text_of.keys()
    if strange:
        raise InputError(f"reference {reference.name!r} shows what was not asked for: {min(strange)[:80]!r}")
    place = folder / "references" / re.sub(r"[^\w-]+", "-", reference.name, flags=re.ASCII)
    if place.exists():
        raise InputError(f"two references would be kept in {place.name!r}", "give them names that differ more")
    place.mkdir(parents=True)

    features = [scorer.image_features(pictures[prompt]) if prompt in pictures else None for prompt in text_of]
    views = max((len(one) for one in features if one is not None), default=1)
    judged = judge(features, torch.tensor([*text_of.values()]), text_features, views, config.seeds[0])
    return ReferenceResult(
        name=reference.name,
        scores=judged.scores,
        truth=reference.truth,
        prompts=tuple(
            ReferencePrompt(
                prompt=prompt,
                clip_score=round(float(judged.picture_score[index].mean()), 4),
                rank=int(judged.pooled_rank[text]) or None,
                pictures=tuple(
                    write_picture(view, place / f"{index:05d}-{number}.png", folder)
                    for number, view in enumerate(pictures.get(prompt, ()))
                ),
            )
            for index, (prompt, text) in enumerate(text_of.items())
        ),
    )
