"""The miniature models' folders are read by the same code as the real ones."""

import shutil

import open_clip
import torch
from diffusers import StableDiffusionPipeline

from infra.artifacts import is_finished
from infra.weights import weights_digest
from teachers.miniature.build import build_miniature

MODELS = ("stable-diffusion", "mvdream", "richdreamer", "clip-evaluation")


def test_built_once_whole_and_reproducibly(miniature, tmp_path):
    assert not build_miniature(miniature)
    assert all(is_finished(miniature / name) for name in MODELS)
    copy = shutil.copytree(miniature, tmp_path / "again")
    shutil.rmtree(copy / "mvdream")
    (copy / "clip-evaluation" / "open_clip_model.safetensors").write_bytes(b"cut")
    assert build_miniature(copy)
    for name in MODELS:
        assert weights_digest(copy / name) == weights_digest(miniature / name)
    assert sum(path.stat().st_size for path in miniature.rglob("*")) < 40 * 2**20


def test_seed_changes_the_weights(miniature, tmp_path):
    folder = shutil.copytree(miniature, tmp_path / "other")
    assert build_miniature(folder, seed=1)
    assert all(weights_digest(folder / name) != weights_digest(miniature / name) for name in MODELS)


def test_ordinary_pipeline_reads_it(miniature):
    pipeline = StableDiffusionPipeline.from_pretrained(
        miniature / "stable-diffusion", safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)

    def image(prompt):
        generator = torch.Generator().manual_seed(0)
        return pipeline(
            prompt, num_inference_steps=2, height=64, width=64, output_type="pt", generator=generator
        ).images

    red, blue = image("a red cube"), image("a blue sphere")
    assert red.shape == (1, 3, 64, 64)
    assert (red - blue).abs().max() > 0.01


def test_open_clip_reads_the_evaluation_model(miniature):
    address = f"local-dir:{miniature / 'clip-evaluation'}"
    model, preprocess = open_clip.create_model_from_pretrained(address)
    tokenizer = open_clip.get_tokenizer(address)
    texts = model.encode_text(tokenizer(["a red cube", "a blue sphere"]), normalize=True)
    assert texts.shape == (2, 64)
    assert (texts[0] @ texts[1]).item() < 0.99
    assert preprocess.transforms[0].size == 64
