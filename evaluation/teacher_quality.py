"""How good the teachers of the miniature world are: their own samples, before the judge and beside the truth.

Legend: B prompts, V views, R picture size, N distinct texts, D feature size.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.clip import ClipScorer, sentence
from evaluation.config import ClipConfig
from evaluation.judge import judge
from evaluation.truth import MARK_SEEN, mark_areas
from infra.config import Config
from infra.progress import track
from teachers.config import TeacherConfig
from teachers.contract import MAP_CHANNELS, TeacherSpec
from teachers.maps import teacher_pixels
from teachers.miniature.scene import Scene, parse
from teachers.miniature.world import render
from teachers.optimised import optimise_pixels
from teachers.registry import teacher_spec
from teachers.sampling import sample_teacher, sampling_cameras

_COVERED = 0.95  # of a pixel, to be judged by its normal
_SUPERSAMPLED = 64  # size that the true maps are made at before they are averaged


class TeacherQuality(Config):
    """What a teacher is worth on held-out prompts; what does not apply is null."""

    r_at_1: float | None = None
    """Share of its samples that the judge matches with their own prompt among all."""
    front_mark: float | None = None
    """Share of the prompts with a mark on the front where its samples show it there and from nowhere else."""
    normal_error_deg: float | None = None
    """Mean angle of its samples to the true normals over the object's pixels."""
    optimised_r_at_1: float | None = None
    """As `r_at_1`, of pictures made by its gradient alone."""
    optimised_normal_error_deg: float | None = None
    """As `normal_error_deg`, likewise."""


def teacher_quality(
    teachers: Mapping[str, TeacherConfig],
    clip: ClipConfig,
    prompts: Sequence[str],
    optimised: int = 0,
    seed: int = 0,
) -> dict[str, TeacherQuality]:
    """Sample each teacher, optimise pictures under it, and measure.

    Args:
        teachers: name → section of a recipe.
        clip: the judge.
        prompts: sentences of the miniature world, all different.
        optimised: for how many of them, from the first, pictures are also made by the teacher's gradient.
        seed: of all random numbers.

    Raises:
        InputError: a prompt is not of that world.
        MissingError: weights are not here.
    """
    scenes = [parse(prompt) for prompt in prompts]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scorer = ClipScorer.from_config(clip, device)
    texts = scorer.text_features([sentence(prompt, clip) for prompt in prompts])

    def r_at_1(pictures: Tensor) -> float:
        """Of the first prompts' pictures among all prompts."""
        missing = [None] * (len(prompts) - len(pictures))
        features = [*(scorer.image_features(views) for views in pictures), *missing]
        judged = judge(features, torch.arange(len(prompts)), texts, pictures.shape[1], seed)
        return float((judged.picture_rank[: len(pictures)] == 1).float().mean())

    found = {}
    for name, config in track(teachers.items(), "measuring teachers", total=len(teachers)):
        spec = teacher_spec(name, config)
        sampled = sample_teacher(name, config, prompts, seed, device)
        made = optimise_pixels(name, config, prompts[:optimised], seed, device) if optimised else None
        if "rgb" in spec.maps:
            found[name] = TeacherQuality(
                r_at_1=r_at_1(sampled),
                front_mark=_front_marks(sampled, scenes) if spec.views > 1 else None,
                optimised_r_at_1=None if made is None else r_at_1(made),
            )
        else:
            found[name] = TeacherQuality(
                normal_error_deg=_normal_error(sampled, scenes, spec),
                optimised_normal_error_deg=None if made is None else _normal_error(made, scenes[:optimised], spec),
            )
    return found


def _normal_error(pictures: Tensor, scenes: Sequence[Scene], spec: TeacherSpec) -> float:  # [B, V, R, R, 3] uint8
    cameras = sampling_cameras(len(scenes), spec.views)
    truth = render(scenes, cameras, _SUPERSAMPLED)
    inside = F.adaptive_avg_pool2d(truth.opacity[..., 0], spec.resolution) > _COVERED
    normals = teacher_pixels(truth, spec)[:, : MAP_CHANNELS["normal"]].permute(0, 2, 3, 1)
    expected, actual = (2 * maps - 1 for maps in (normals, pictures.flatten(0, 1) / 255))
    cosine = F.cosine_similarity(expected[inside], actual[inside], dim=-1)
    return float(torch.rad2deg(cosine.clamp(-1, 1).acos()).mean())


def _front_marks(pictures: Tensor, scenes: Sequence[Scene]) -> float | None:  # [B, V, R, R, 3] uint8
    marked = [(scene, views) for scene, views in zip(scenes, pictures, strict=True) if scene.nose]
    if not marked:
        return None
    right = 0
    for scene, views in marked:
        cameras = sampling_cameras(1, len(views))
        true_area = mark_areas((render([scene], cameras, views.shape[1]).rgb * 255).byte(), scene)[0]
        seen = mark_areas(views, scene) > MARK_SEEN * true_area
        right += bool(seen[0]) and not bool(seen[1:].any())
    return right / len(marked)
