"""Models of Stable Diffusion 2.1's size, or the miniature's, with random weights: nothing is downloaded.

The folders written here hold what a diffusers folder holds, except weights. All else is the product's own code, which
reads such folders; one function of it, the one that reads weight files, is replaced while it does.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from transformers import PreTrainedModel

from flows.recipe import Recipe, read_recipe
from infra.weights import resolve_weights
from prd.generator import TriplaneGenerator

_UNET = {"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2}
_SD_21 = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
_SD_15 = {"cross_attention_dim": 768, "attention_head_dim": 8}
_CAMERA = {"sample_size": 32, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}
_TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "pad_token_id": 0}
_OPEN_CLIP_H = {
    **_TEXT,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
}
_CLIP_L = {
    **_TEXT,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
FULL_SIZE: dict[str, dict[str, dict[str, Any]]] = {
    "stable-diffusion-2-1-base": {"unet": {**_UNET, **_SD_21}, "vae": _VAE, "text_encoder": _OPEN_CLIP_H},
    "mvdream-sd21": {"unet": {**_UNET, **_SD_21, **_CAMERA}, "vae": _VAE, "text_encoder": _OPEN_CLIP_H},
    "richdreamer-nd-mv": {"unet": {**_UNET, **_SD_15, **_CAMERA}, "text_encoder": _CLIP_L},
}
"""Model by its name in the recipe `sd21` → part → what its `config.json` says beyond the defaults."""

RECIPES = {"full": "sd21", "miniature": "miniature"}
"""Recipe of each size."""


def write_folders(into: Path) -> None:
    """Diffusers folders of all `FULL_SIZE` models, without weights. The tokenizer is the miniature's: it needs no
    download, and makes as many tokens."""
    small = resolve_weights("miniature/stable-diffusion")
    for name, parts in FULL_SIZE.items():
        folder = into / name
        for part, config in parts.items():
            _write_json(folder / part / "config.json", config)
        betas = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012}
        _write_json(folder / "scheduler" / "scheduler_config.json", {**betas, "beta_schedule": "scaled_linear"})
        shutil.copytree(small / "tokenizer", folder / "tokenizer")
        settings = folder / "tokenizer" / "tokenizer_config.json"
        _write_json(settings, {**json.loads(settings.read_text()), "model_max_length": 77})


def local_recipe(size: str, folder: Path, overrides: list[str]) -> Recipe:
    """The recipe of a size with all teachers local, its weights in the `write_folders` folder when it is `full`."""
    places = [f"teachers.{name}.placement=local" for name in read_recipe(RECIPES[size]).teachers]
    recipe = read_recipe(RECIPES[size], [*places, *overrides])
    if size == "miniature":
        return recipe
    generator = recipe.generator.model_copy(update={"base": str(folder / recipe.generator.base)})
    teachers = {
        name: teacher.model_copy(update={"weights": str(folder / teacher.weights)})
        for name, teacher in recipe.teachers.items()
    }
    return recipe.model_copy(update={"generator": generator, "teachers": teachers})


@contextmanager
def random_weights(device: torch.device) -> Iterator[None]:
    """While it lasts, models that are loaded from a folder are built on `device`, with random weights."""

    def build(model: type[nn.Module], path: Path, _: torch.device, **settings: Any) -> nn.Module:
        dtype = settings.get("torch_dtype") or settings["dtype"]
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        with torch.device(device):
            # torch's own `to`: diffusers' warns of what it would say to any model that was not read from a file.
            return nn.Module.to(_from_config(model, config).eval().requires_grad_(False), dtype)

    with patch("teachers.folder._load_frozen", build):
        yield


def random_student(recipe: Recipe, device: torch.device) -> TriplaneGenerator:
    """The generator that training starts from, but for the size of its planes' features: small, so that the surface
    is a slightly uneven sphere with as many faces as a trained object has, rather than a crust of noise."""
    with random_weights(device):
        student = TriplaneGenerator.untrained(resolve_weights(recipe.generator.base), recipe.generator, seed=0)
    with torch.no_grad():
        for parameter in student.get_submodule("decoder.conv_out").parameters():
            parameter.mul_(0.1)
    return student.to(device)


def _from_config(model: Any, config: dict[str, Any]) -> nn.Module:
    if issubclass(model, PreTrainedModel):
        return model(model.config_class(**config))  # type: ignore[misc]
    return model.from_config(config)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
