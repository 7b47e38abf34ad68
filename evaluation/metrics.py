"""CLIP score and R@1 as pure functions of features. All arithmetic is in double precision.

Legend: M images, N distinct texts, D feature size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infra.seeds import generator_for

_WEIGHT = 2.5  # of the CLIP score, Hessel et al. 2021
_RESAMPLES = 2000


@dataclass(frozen=True)
class ImageScores:
    """What CLIP says of each image, and of each text over all its images."""

    score: Tensor  # [M] 2.5 max(cos, 0) with its own text; 0 for an image that failed
    rank: Tensor  # [M] int64, place of its own text among all; 1 is a hit, 0 an image that failed
    pooled_rank: Tensor  # [N] int64, likewise for the images of a text together; 0 where all failed
    pooled_best: Tensor  # [N] int64, the text that the images of a text together match best; -1 where all failed


@dataclass(frozen=True)
class Estimate:
    """A mean over prompts' images with its 95 % bootstrap interval, in the metric's own unit."""

    value: float
    low: float
    high: float


def merge_texts(texts: Sequence[str]) -> tuple[list[str], Tensor]:  # N distinct, [len(texts)] int64
    """The distinct texts in order of first appearance, and for each given one its place among them."""
    distinct = list(dict.fromkeys(texts))
    place = {text: index for index, text in enumerate(distinct)}
    return distinct, torch.tensor([place[text] for text in texts], dtype=torch.long)


def cosines(image_features: Tensor, text_features: Tensor) -> Tensor:  # [M, D], [N, D] -> [M, N]
    """Cosine of every image with every text; the features' lengths do not matter."""
    images = torch.nn.functional.normalize(image_features.double(), dim=-1)
    texts = torch.nn.functional.normalize(text_features.double(), dim=-1)
    return images @ texts.T


def score_images(
    image_features: Tensor,  # [M, D], any values where an image failed
    text_features: Tensor,  # [N, D] of the distinct texts
    own: Tensor,  # [M] int64, each image's text
    rendered: Tensor | None = None,  # [M] bool, False where there is no image; default all True
) -> ImageScores:
    """Score and rank every image.

    The rank of a single image compares cosines clipped at 0; that of all images of a text together compares their
    mean, unclipped. In a tie the text with the lower index comes first. An image that failed scores 0 and is a miss;
    a text is a miss when all its images failed.
    """
    rendered = torch.ones_like(own, dtype=torch.bool) if rendered is None else rendered
    cosine = cosines(image_features, text_features)
    cosine = torch.where(rendered[:, None], cosine, 0.0)
    clipped = cosine.clamp(min=0.0)
    score = _WEIGHT * clipped.gather(1, own[:, None]).squeeze(1)

    total = torch.zeros(len(text_features), cosine.shape[1], dtype=cosine.dtype).index_add(0, own, cosine)  # [N, N]
    seen = torch.zeros(len(text_features)).index_add(0, own, rendered.float()) > 0
    every_text = torch.arange(len(text_features))
    return ImageScores(
        score=score,
        rank=torch.where(rendered, _ranks(clipped, own), 0),
        pooled_rank=torch.where(seen, _ranks(total, every_text), 0),
        pooled_best=torch.where(seen, _first_best(total), -1),
    )


def mean_with_interval(values: Tensor, groups: Tensor, seed: int) -> Estimate:  # [M], [M] int64
    """Mean of `values` over all images with a 95 % bootstrap interval that resamples prompts, not images.

    Images of one prompt resemble each other; drawing them one by one would promise too much.

    Args:
        values: one number per image.
        groups: prompt of each image.
        seed: names the resampling; the same seed gives the same interval.
    """
    values = values.double()
    _, group = torch.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    sums = torch.zeros(count, dtype=torch.double).index_add(0, group, values)  # [G]
    sizes = torch.bincount(group, minlength=count).double()  # [G]
    drawn = torch.randint(count, (_RESAMPLES, count), generator=generator_for(seed, "bootstrap"))  # [R, G]
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return Estimate(value=float(values.mean()), low=low, high=high)


def _ranks(similarity: Tensor, own: Tensor) -> Tensor:  # [M, N], [M] -> [M]
    mine = similarity.gather(1, own[:, None])
    earlier = torch.arange(similarity.shape[1]) < own[:, None]
    return 1 + (similarity > mine).sum(1) + ((similarity == mine) & earlier).sum(1)


def _first_best(similarity: Tensor) -> Tensor:  # [M, N] -> [M]
    best = similarity == similarity.amax(1, keepdim=True)
    return best.int().argmax(1)  # of a 0/1 row: its first 1
