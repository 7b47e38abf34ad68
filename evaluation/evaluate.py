"""Meshes in, report out: render every mesh, let CLIP judge, write what was found."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from evaluation.clip import ClipScorer, encodable, sentence
from evaluation.clock import Clock
from evaluation.config import EvaluationConfig
from evaluation.gallery import Gallery, GeneratedMesh, Seen
from evaluation.gate import Champion, decide
from evaluation.judge import Judgement, judge
from evaluation.measured import summarise
from evaluation.metrics import merge_texts
from evaluation.page import write_page
from evaluation.protocol import protocol_for
from evaluation.references import Reference, judge_reference
from evaluation.report import Counts, EvaluationReport, MeshResult, ViewResult
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
    references: Sequence[Reference] = (),
    champion: Champion | None = None,
    write_mesh: Callable[[Mesh, Path], object] | None = None,
    device: torch.device | str | None = None,
) -> EvaluationReport:
    """Judge meshes and write `report.json`, `rows.parquet`, `report.html`, `views/`, `meshes/` and `references/` below
    `folder`.

    A mesh that is missing, empty or unusable scores 0 and is a miss in all its views; so is one per seed of a prompt
    that `generated` never yields.

    Args:
        generated: meshes as they are made; consumed once, one in memory at a time.
        prompts: what was asked for; identical ones are one candidate of R@1.
        config: views, CLIP and gate.
        folder: an existing, empty folder.
        context: what is evaluated, for the report.
        references: other pictures of the same prompts, to show and judge beside the meshes.
        champion: the version to beat, for the gate.
        write_mesh: writes a mesh as the GLB it is given the path of; default `prd.export.write_mesh`.
        device: where to render and run CLIP; default the GPU if there is one.

    Raises:
        InputError: there are no prompts, or a mesh or a reference is of a prompt that was not asked for.
        MissingError: the CLIP weights are not on this machine or not complete.
    """
    prompts = [encodable(prompt) for prompt in prompts]
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
        views = len(config.views.azimuths_deg)
        judged = judge([one.features for one in seen], place, text_features, views, config.seeds[0])
    with clock("references"):
        text_of = {one.prompt: int(text) for one, text in zip(seen, place, strict=True)}
        compared = [judge_reference(one, text_of, text_features, scorer, config, folder) for one in references]
    failed = sum(one.features is None for one in seen)
    counts = Counts(
        prompts=len(sentences),
        meshes=len(seen),
        failed=failed,
        images=len(seen) * views,
        images_rendered=(len(seen) - failed) * views,
    )
    report = EvaluationReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        protocol=protocol,
        context=dict(context),
        scores=judged.scores,
        counts=counts,
        meshes=_results(seen, judged, place, config),
        references=tuple(compared),
        truth=summarise(one.truth for one in seen) if config.truth else None,
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
        made = replace(made, prompt=encodable(made.prompt))
        if made.prompt not in owed:
            raise InputError(f"a mesh came for a prompt that was not asked for: {made.prompt[:80]!r}")
        owed[made.prompt] -= 1
        yield made
    for prompt, count in owed.items():
        for _ in range(count):
            yield GeneratedMesh(prompt, None, reason="no mesh came for this prompt")


def _results(
    seen: Sequence[Seen], judged: Judgement, place: Tensor, config: EvaluationConfig
) -> tuple[MeshResult, ...]:
    azimuths = config.views.azimuths_deg
    score, rank = judged.picture_score, judged.picture_rank
    name_of = {text: one.prompt for text, one in zip(place.tolist(), seen, strict=True)}
    results = []
    for index, one in enumerate(seen):
        text = int(place[index])
        pictures = one.pictures or (None,) * len(azimuths)
        best = int(judged.pooled_best[text])
        results.append(
            MeshResult(
                index=index,
                prompt=one.prompt,
                seed=one.seed,
                failure=one.failure,
                clip_score=round(float(score[index].mean()), 4),
                rank=int(judged.pooled_rank[text]) or None,
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
                truth=one.truth,
            )
        )
    return tuple(results)
