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

from flows.recipe import Recipe, read_recipe
from infra.weights import resolve_weights
from prd.generator import TriplaneGenerator
from teachers.architectures import PUBLISHED, build

RECIPES = {"full": "sd21", "miniature": "miniature"}
"""Recipe of each size."""


def write_folders(into: Path) -> None:
    """Diffusers folders of all `PUBLISHED` models, without weights. The tokenizer is the miniature's: it needs no
    download, and makes as many tokens."""
    small = resolve_weights("miniature/stable-diffusion")
    for name, parts in PUBLISHED.items():
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

    def random(model: type[nn.Module], path: Path, _: torch.device, **settings: Any) -> nn.Module:
        dtype = settings.get("torch_dtype") or settings["dtype"]
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        with torch.device(device):
            # torch's own `to`: diffusers' warns of what it would say to any model that was not read from a file.
            return nn.Module.to(build(model, config).eval().requires_grad_(False), dtype)

    with patch("teachers.folder._load_frozen", random):
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


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
