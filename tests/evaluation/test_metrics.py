"""CLIP score and R@1 against reference vectors, and the laws they must keep."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from evaluation.metrics import mean_with_interval, merge_texts, score_images

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
TENSORS = load_file(GOLDEN / "clip.safetensors")
RESULTS = json.loads((GOLDEN / "clip.json").read_text())["results"]
CASES = [name for name in RESULTS if name != "duplicate_prompts_unmerged"]
TOLERANCE = 2e-6


def score_case(name: str):
    return score_images(
        TENSORS[f"{name}.image_features"], TENSORS[f"{name}.text_features"], TENSORS[f"{name}.image_prompt"]
    )


@pytest.mark.parametrize("name", CASES)
def test_scores_agree_with_the_reference(name: str) -> None:
    found, expected = score_case(name), RESULTS[name]
    torch.testing.assert_close(found.score.float(), TENSORS[f"{name}.score_per_image"], atol=TOLERANCE, rtol=0)
    assert float(found.score.mean()) == pytest.approx(expected["clip_score_mean"], abs=TOLERANCE)
    assert int((found.rank == 1).sum()) == expected["r_at_1_per_image_hits"]
    assert float((found.rank == 1).double().mean()) == expected["r_at_1_per_image"]
    assert float((found.pooled_rank == 1).double().mean()) == pytest.approx(expected["r_at_1_pooled_per_prompt"])


@pytest.mark.parametrize("name", CASES)
def test_the_hit_is_the_text_the_reference_picks(name: str) -> None:
    picked = TENSORS[f"{name}.best_text_reference"] == TENSORS[f"{name}.image_prompt"]
    assert torch.equal(score_case(name).rank == 1, picked)


def test_texts_that_occur_twice_are_one_candidate() -> None:
    rows = TENSORS["duplicate_prompts_unmerged.text_features"]
    occurrence = TENSORS["duplicate_prompts_unmerged.occurrence_of_each_image"]
    images = TENSORS["duplicate_prompts_merged.image_features"]
    texts = [str(row.tolist()) for row in rows]

    distinct, place = merge_texts(texts)
    first = torch.tensor([texts.index(text) for text in distinct])
    found = score_images(images, rows[first], place[occurrence])

    expected = RESULTS["duplicate_prompts_unmerged"]["expected_r_at_1_per_image"]
    assert float((found.rank == 1).double().mean()) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.booleans(), min_size=6, max_size=6))
def test_failed_images_are_zero_and_misses_and_change_no_other(seed: int, kept: list[bool]) -> None:
    draw = torch.Generator().manual_seed(seed)
    images, texts = torch.randn(6, 8, generator=draw), torch.randn(3, 8, generator=draw)
    own, rendered = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor(kept)
    whole, found = score_images(images, texts, own), score_images(images, texts, own, rendered)

    assert (found.score[~rendered] == 0).all() and (found.rank[~rendered] == 0).all()
    assert torch.equal(found.score[rendered], whole.score[rendered])
    assert torch.equal(found.rank[rendered], whole.rank[rendered])
    all_failed = ~rendered.view(3, 2).any(1)
    assert torch.equal(found.pooled_rank == 0, all_failed)
    assert torch.equal(found.pooled_best == -1, all_failed)


def test_a_feature_of_a_failed_image_that_is_not_finite_does_no_harm() -> None:
    images = torch.eye(3)
    images[1] = float("nan")
    found = score_images(images, torch.eye(3), torch.arange(3), torch.tensor([True, False, True]))
    assert found.score.tolist() == [2.5, 0.0, 2.5]
    assert found.pooled_rank.tolist() == [1, 0, 1]


def test_the_interval_holds_the_mean_and_repeats_with_its_seed() -> None:
    values = torch.rand(40, generator=torch.Generator().manual_seed(1))
    groups = torch.arange(10).repeat_interleave(4)
    estimate = mean_with_interval(values, groups, seed=3)
    assert estimate.low < estimate.value < estimate.high
    assert estimate == mean_with_interval(values, groups, seed=3)
    assert estimate != mean_with_interval(values, groups, seed=4)


def test_the_interval_resamples_prompts_not_images() -> None:
    """Four equal images of a prompt carry no more information than one."""
    values = torch.rand(25, generator=torch.Generator().manual_seed(1))
    once = mean_with_interval(values, torch.arange(25), seed=0)
    four_times = mean_with_interval(values.repeat_interleave(4), torch.arange(25).repeat_interleave(4), seed=0)
    assert four_times.low == pytest.approx(once.low) and four_times.high == pytest.approx(once.high)


def test_equal_values_have_no_spread() -> None:
    estimate = mean_with_interval(torch.ones(8), torch.arange(8), seed=0)
    assert (estimate.low, estimate.value, estimate.high) == (1.0, 1.0, 1.0)
