"""CLIP's verdict on sets of pictures, each of one prompt: the same for meshes and for what they are compared with.

Legend: S sets, V pictures of a set, N distinct texts, D feature size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.metrics import Estimate, mean_with_interval, score_images
from evaluation.report import Score, Scores


@dataclass(frozen=True)
class Judgement:
    """What was found over all pictures, of each picture, and of each text."""

    scores: Scores
    picture_score: Tensor  # [S, V] times 100; 0 where there is no picture
    picture_rank: Tensor  # [S, V] int64, place of its own text among all; 0 where there is no picture
    pooled_rank: Tensor  # [N] int64, likewise for the pictures of a text together; 0 where it has none
    pooled_best: Tensor  # [N] int64, the text that these match best; -1 where there are none


def judge(
    features: Sequence[Tensor | None],  # S of [V, D]; None for a set that failed
    texts: Tensor,  # [S] int64, each set's text
    text_features: Tensor,  # [N, D]
    views: int,
    seed: int,
) -> Judgement:
    """Score and rank every picture among the texts; each text has a set at least.

    Sets that failed count as 0 and as misses in all their V pictures. `seed` names the resampling of the intervals.
    """
    nothing = torch.zeros(views, text_features.shape[1])
    pictures = torch.cat([nothing if one is None else one for one in features])
    rendered = torch.tensor([one is not None for one in features]).repeat_interleave(views)
    own = texts.repeat_interleave(views)
    found = score_images(pictures, text_features, own, rendered)
    every_text = torch.arange(len(text_features))
    return Judgement(
        scores=Scores(
            clip_score=_score(mean_with_interval(found.score, own, seed)),
            r_at_1=_score(mean_with_interval(found.rank == 1, own, seed)),
            r_at_1_pooled=_score(mean_with_interval(found.pooled_rank == 1, every_text, seed)),
        ),
        picture_score=(100 * found.score).view(-1, views),
        picture_rank=found.rank.view(-1, views),
        pooled_rank=found.pooled_rank,
        pooled_best=found.pooled_best,
    )


def _score(estimate: Estimate) -> Score:
    return Score(
        raw=estimate.value,
        x100=round(100 * estimate.value, 4),
        low95=round(100 * estimate.low, 4),
        high95=round(100 * estimate.high, 4),
    )
