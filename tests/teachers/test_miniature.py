"""The miniature models: made by one command, read by the same code as the real ones."""

import shutil

import open_clip
import pytest
import torch
from diffusers import StableDiffusionPipeline

from infra.artifacts import is_finished
from infra.weights import find_weights, locked_weights, weights_digest
from teachers.miniature.fit import Schedule
from teachers.miniature.make import Plan, train_miniature
from teachers.registry import load_teacher
from teachers.sampling import sample_teacher

MODELS = ("stable-diffusion", "mvdream", "richdreamer", "clip-evaluation")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def barely_trained(tmp_path_factory):
    """Everything `prd miniature train` makes, after two steps each."""
    folder = tmp_path_factory.mktemp("trained") / "miniature"
    assert train_miniature(folder, plan=barely())
    return folder


def barely() -> Plan:
    def schedule(batch: int) -> Schedule:
        return Schedule(steps=2, batch=batch, learning_rate=1e-3, average=0.9)

    return Plan(
        autoencoder=schedule(4),
        clip=schedule(6),
        clip_evaluation=schedule(6),
        stable_diffusion=schedule(4),
        mvdream=schedule(2),
        richdreamer=schedule(2),
        album_sets=1,
        latent_copies=1,
        every=100,
    )


def test_a_finished_model_is_left_alone_and_a_broken_one_made_again(barely_trained, tmp_path):
    assert not train_miniature(barely_trained, plan=barely())
    copy = shutil.copytree(barely_trained, tmp_path / "again")
    before = {name: weights_digest(copy / name) for name in MODELS}
    (copy / "richdreamer" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
    assert train_miniature(copy, plan=barely())
    assert {name: weights_digest(copy / name) for name in MODELS} == before


def test_the_trained_folders_load_as_teachers(barely_trained, configure):
    for kind in ("stable_diffusion", "mvdream", "richdreamer"):
        load_teacher(kind, configure(kind, weights=str(barely_trained / kind.replace("_", "-"))), CPU)
    open_clip.create_model_from_pretrained(f"local-dir:{barely_trained / 'clip-evaluation'}")


def test_a_plain_pipeline_needs_no_word_about_precision(barely_trained):
    pipeline = StableDiffusionPipeline.from_pretrained(barely_trained / "stable-diffusion", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("a red cube", num_inference_steps=2, height=64, width=64).images[0].size == (64, 64)


def test_the_shipped_models_are_whole_and_small(miniature, home, monkeypatch):
    monkeypatch.delenv("PRD_WEIGHTS")
    for name in MODELS:
        assert is_finished(miniature / name)
        assert f"miniature/{name}" in locked_weights() and find_weights(f"miniature/{name}")
    assert sum(path.stat().st_size for path in miniature.rglob("*")) < 40e6


def test_ordinary_pipeline_reads_it(miniature):
    pipeline = StableDiffusionPipeline.from_pretrained(
        miniature / "stable-diffusion", safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)

    def image(prompt):
        generator = torch.Generator().manual_seed(0)
        return pipeline(
            prompt, num_inference_steps=20, height=64, width=64, output_type="pt", generator=generator
        ).images[0]

    red, blue = image("a red cube"), image("a blue sphere")
    assert red.shape == (3, 64, 64)
    middle = (slice(28, 36), slice(28, 36))
    assert red[0][middle].mean() > red[2][middle].mean() + 0.2
    assert blue[2][middle].mean() > blue[0][middle].mean() + 0.2


def test_a_prompt_is_drawn_alike_whatever_is_drawn_beside_it(configure):
    config = configure("mvdream")
    alone = sample_teacher("mv", config, ["a red cube"], 0, CPU, steps=3)
    both = sample_teacher("mv", config, ["a blue cone", "a red cube"], 0, CPU, steps=3)
    assert alone.shape == (1, 4, 64, 64, 3) and both.shape == (2, 4, 64, 64, 3)
    assert (alone[0].int() - both[1].int()).abs().max() <= 2  # rounding
    assert (both[0].int() - both[1].int()).abs().max() > 20


def test_open_clip_reads_the_evaluation_model(miniature):
    address = f"local-dir:{miniature / 'clip-evaluation'}"
    model, preprocess = open_clip.create_model_from_pretrained(address)
    tokenizer = open_clip.get_tokenizer(address)
    texts = model.encode_text(tokenizer(["a red cube", "a blue sphere"]), normalize=True)
    assert texts.shape == (2, 64)
    assert (texts[0] @ texts[1]).item() < 0.5
    assert preprocess.transforms[0].size == 64
