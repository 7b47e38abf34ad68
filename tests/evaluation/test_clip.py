"""The CLIP wrapper on an ordinary open_clip folder, against open_clip itself."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from evaluation.clip import ClipScorer, sentence
from evaluation.config import ClipConfig
from infra.errors import MissingError


@pytest.fixture(scope="module")
def scorer(clip_folder: Path) -> ClipScorer:
    return ClipScorer.from_folder(clip_folder, batch_size=3)


@pytest.fixture
def copy(clip_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(clip_folder, tmp_path / "clip")


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "open_clip_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_features_are_those_of_the_model_with_its_own_preprocessing(scorer: ClipScorer, clip_folder: Path) -> None:
    images = torch.randint(0, 256, (5, 48, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = []
    for image in images:
        small = Image.fromarray(image.numpy()).resize((32, 32), Image.Resampling.BICUBIC)
        pixels.append((torch.tensor(list(small.getdata())).view(32, 32, 3).permute(2, 0, 1) / 255 - 0.5) / 0.25)
    with torch.inference_mode():
        expected = scorer.model.encode_image(torch.stack(pixels), normalize=True)
    torch.testing.assert_close(scorer.image_features(images), expected, atol=1e-4, rtol=0)


def test_batches_do_not_change_the_features(clip_folder: Path, scorer: ClipScorer) -> None:
    texts = [f"a thing number {number}" for number in range(7)]
    whole = ClipScorer.from_folder(clip_folder, batch_size=64).text_features(texts)
    torch.testing.assert_close(scorer.text_features(texts), whole)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(7))
    assert not torch.allclose(whole[0], whole[1], atol=1e-3)


def test_a_text_longer_than_the_context_is_cut(scorer: ClipScorer) -> None:
    assert scorer.text_features(["word " * 500]).isfinite().all()


def test_preprocessing_without_mean_and_std_is_refused(copy: Path) -> None:
    rewrite(copy, preprocess_cfg={"mean": [0.5, 0.5, 0.5]})
    with pytest.raises(MissingError, match="preprocess_cfg lacks std"):
        ClipScorer.from_folder(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "open_clip_config.json").unlink(), "has no open_clip_config.json"),
        (lambda folder: (folder / "open_clip_config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 64), "does not load"),
        (lambda folder: rewrite(folder, model_cfg={"embed_dim": 16}), "does not load"),
    ],
)
def test_an_incomplete_folder_is_named(copy: Path, damage, message: str) -> None:
    damage(copy)
    with pytest.raises(MissingError, match=message):
        ClipScorer.from_folder(copy)


def test_weights_that_are_nowhere_are_named() -> None:
    with pytest.raises(MissingError, match="nowhere/clip"):
        ClipScorer.from_config(ClipConfig(weights="nowhere/clip"))


def test_the_sentence_has_its_space_unless_old_numbers_are_wanted() -> None:
    assert sentence("a red, round cube.", ClipConfig()) == "A photo depicts a red, round cube."
    assert sentence("a red, round_cube.", ClipConfig(compat=True)) == "A photo depictsa red round cube"
