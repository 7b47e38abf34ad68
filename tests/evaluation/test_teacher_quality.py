"""The shipped miniature teachers draw what they are asked for, and their gradients lead there."""

import pytest
import torch

from evaluation.config import ClipConfig
from evaluation.teacher_quality import TeacherQuality, teacher_quality
from teachers.config import TeacherConfig
from teachers.optimised import optimise_pixels

PROMPTS = (
    "a black sphere",
    "a brown cube",
    "a yellow cone",
    "a purple torus on a green cone",
    "a red cube on a blue cylinder",
    "an orange sphere on a cyan cube",
    "a pink capsule with a blue nose",
    "a grey cone on a yellow torus",
)


@pytest.fixture(scope="module")
def teachers(configure) -> dict[str, TeacherConfig]:
    kinds = ("stable_diffusion", "mvdream", "richdreamer")
    return {kind: configure(kind, min_timestep=0.02, max_timestep=0.7) for kind in kinds}


@pytest.fixture(scope="module")
def quality(teachers, miniature) -> dict[str, TeacherQuality]:
    return teacher_quality(teachers, ClipConfig(weights=str(miniature / "clip-evaluation")), PROMPTS)


def test_pictures_are_matched_with_their_prompts(quality):
    for name in ("stable_diffusion", "mvdream"):
        r_at_1 = quality[name].r_at_1
        assert r_at_1 is not None and r_at_1 > 0.8  # 0.125 by chance


def test_normals_are_those_of_the_solids(quality):
    error = quality["richdreamer"].normal_error_deg
    assert error is not None and error < 25  # 90 by chance


def test_what_does_not_apply_is_null(quality):
    assert quality["richdreamer"].r_at_1 is None and quality["stable_diffusion"].normal_error_deg is None
    assert all(found.optimised_r_at_1 is None for found in quality.values())


def test_a_gradient_alone_puts_each_colour_where_it_belongs(teachers):
    (picture,) = optimise_pixels(
        "sd", teachers["stable_diffusion"], ["a red cube on a blue cylinder"], 0, torch.device("cpu"), steps=60
    )[0]
    red, _, blue = (picture.float() / 255).unbind(-1)
    above, below = (slice(18, 28), slice(26, 38)), (slice(38, 50), slice(26, 38))
    assert (red - blue)[above].mean() > 0.2 and (blue - red)[below].mean() > 0.2
