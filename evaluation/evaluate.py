"""Meshes in, report out: render every mesh, let CLIP judge, write what was found.

Legend: M images, N distinct texts, D feature size.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from evaluation.clip import ClipScorer, sentence
from evaluation.clock import Clock
from evaluation.config import EvaluationConfig
from evaluation.gallery import Gallery, GeneratedMesh, Seen
from evaluation.gate import Champion, decide
from evaluation.metrics import Estimate, ImageScores, mean_with_interval, merge_texts, score_images
from evaluation.page import write_page
from evaluation.protocol import protocol_for
from evaluation.report import Counts, EvaluationReport, MeshResult, Score, Scores, ViewResult
from infra.errors import InputError
from infra.progress import track
from prd.mesh import Mesh


def evaluate(
    generated: Iterable[GeneratedMesh],
    prompts: Sequence[str],
    config: EvaluationConfig,
    folder: Path,
    context: Mapping[str, str],
    *,
    champion: Champion | None = None,
    write_mesh: Callable[[Mesh, Path], object] | None = None,
    device: torch.device | str | None = None,
) -> EvaluationReport:
    """Judge meshes and write `report.json`, `rows.parquet`, `report.html`, `views/` and `meshes/` below `folder`.

    A mesh that is missing, empty or unusable scores 0 and is a miss in all its views; so is one per seed of a prompt
    that `generated` never yields.

    Args:
        generated: meshes as they are made; consumed once, one in memory at a time.
        prompts: what was asked for; identical ones are one candidate of R@1.
        config: views, CLIP and gate.
        folder: an existing, empty folder.
        context: what is evaluated, for the report.
        champion: the version to beat, for the gate.
        write_mesh: writes a mesh as the GLB it is given the path of; default `prd.export.write_mesh`.
        device: where to render and run CLIP; default the GPU if there is one.

    Raises:
        InputError: there are no prompts, or a mesh is of a prompt that was not asked for.
        MissingError: the CLIP weights are not on this machine or not complete.
    """
    prompts = [_encodable(prompt) for prompt in prompts]
    if not prompts:
        raise InputError("there are no prompts to evaluate", "check evaluation.prompts and evaluation.limit")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    protocol = protocol_for(config, prompts)
    clock = Clock()
    with clock("load CLIP"):
        scorer = ClipScorer.from_config(config.clip, device)
    gallery = Gallery(config, scorer, folder, write_mesh, clock)
    seen = [gallery.look(index, made) for index, made in enumerate(_complete(generated, prompts, config.seeds, clock))]

    with clock("score"):
        sentences, place = merge_texts([sentence(one.prompt, config.clip) for one in seen])
        text_features = scorer.text_features(sentences)
        features, own, rendered = _per_image(seen, place, text_features, len(config.views.azimuths_deg))
        found = score_images(features, text_features, own, rendered)
        scores = _headline(found, own, config.seeds[0])
    counts = Counts(
        prompts=len(sentences),
        meshes=len(seen),
        failed=sum(one.features is None for one in seen),
        images=len(own),
        images_rendered=int(rendered.sum()),
    )
    report = EvaluationReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        protocol=protocol,
        context=dict(context),
        scores=scores,
        counts=counts,
        meshes=_results(seen, found, place, config),
        timings={kind: round(seconds, 3) for kind, seconds in clock.seconds.items()},
    )
    report = report.model_copy(update={"verdict": decide(report, config.gate, champion)})
    report.save(folder)
    write_page(report, folder)
    return report


def _complete(
    generated: Iterable[GeneratedMesh], prompts: Sequence[str], seeds: Sequence[int], clock: Clock
) -> Iterator[GeneratedMesh]:
    """The meshes as they come, then a failure for each that did not."""
    owed = Counter({prompt: len(seeds) for prompt in prompts})
    stream = iter(track(generated, "evaluating", total=owed.total()))
    while True:
        with clock("generate"):
            made = next(stream, None)
        if made is None:
            break
        made = replace(made, prompt=_encodable(made.prompt))
        if made.prompt not in owed:
            raise InputError(f"a mesh came for a prompt that was not asked for: {made.prompt[:80]!r}")
        owed[made.prompt] -= 1
        yield made
    for prompt, count in owed.items():
        for _ in range(count):
            yield GeneratedMesh(prompt, None, reason="no mesh came for this prompt")


def _per_image(
    seen: Sequence[Seen],
    place: Tensor,  # [meshes] int64, each one's text
    text_features: Tensor,  # [N, D]
    views: int,
) -> tuple[Tensor, Tensor, Tensor]:  # [M, D], [M] int64, [M] bool
    """Features, text and presence of every image; zeros stand in for those of failed meshes."""
    nothing = torch.zeros(views, text_features.shape[1])
    features = torch.cat([nothing if one.features is None else one.features for one in seen])
    rendered = torch.tensor([one.features is not None for one in seen]).repeat_interleave(views)
    return features, place.repeat_interleave(views), rendered


def _headline(found: ImageScores, own: Tensor, seed: int) -> Scores:
    every_text = torch.arange(len(found.pooled_rank))
    return Scores(
        clip_score=_score(mean_with_interval(found.score, own, seed)),
        r_at_1=_score(mean_with_interval(found.rank == 1, own, seed)),
        r_at_1_pooled=_score(mean_with_interval(found.pooled_rank == 1, every_text, seed)),
    )


def _score(estimate: Estimate) -> Score:
    return Score(
        raw=estimate.value,
        x100=round(100 * estimate.value, 4),
        low95=round(100 * estimate.low, 4),
        high95=round(100 * estimate.high, 4),
    )


def _results(
    seen: Sequence[Seen], found: ImageScores, place: Tensor, config: EvaluationConfig
) -> tuple[MeshResult, ...]:
    azimuths = config.views.azimuths_deg
    score = (100 * found.score).reshape(len(seen), -1)
    rank = found.rank.reshape(len(seen), -1)
    name_of = {text: one.prompt for text, one in zip(place.tolist(), seen, strict=True)}
    results = []
    for index, one in enumerate(seen):
        text = int(place[index])
        pictures = one.pictures or (None,) * len(azimuths)
        best = int(found.pooled_best[text])
        results.append(
            MeshResult(
                index=index,
                prompt=one.prompt,
                seed=one.seed,
                failure=one.failure,
                clip_score=round(float(score[index].mean()), 4),
                rank=int(found.pooled_rank[text]) or None,
                taken_for=name_of[best] if best not in (-1, text) else None,
                views=tuple(
                    ViewResult(
                        azimuth_deg=azimuth,
                        clip_score=round(float(score[index, view]), 4),
                        rank=int(rank[index, view]) or None,
                        picture=pictures[view],
                    )
                    for view, azimuth in enumerate(azimuths)
                ),
                shape=one.shape,
                mesh=one.mesh,
                vertices=one.vertices,
                faces=one.faces,
                seconds=one.seconds,
            )
        )
    return tuple(results)


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON input may hold and no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")
