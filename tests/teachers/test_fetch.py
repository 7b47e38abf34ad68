"""`prd weights fetch` and `convert`, from a Hub on loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fake_hub import fake_hub
from typer.testing import CliRunner

from flows.cli import app
from infra.errors import InputError
from infra.settings import settings
from infra.weights import locked_weights
from teachers.convert import FAMILIES

SD = "stable-diffusion-2-1-base"


@pytest.fixture
def mirrored(miniature, tmp_path) -> Path:
    """A repository with the files that are needed and one that is not."""
    folder = shutil.copytree(miniature / "stable-diffusion", tmp_path / "repository")
    (folder / "manifest.json").unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"not needed")
    return folder


def prd(arguments: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: the Hub's address is read when its library is imported."""
    environment = {"HF_HOME": str(folder / "cache"), "PRD_HOME": str(folder / "home"), **environment}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=root, env={**os.environ, **environment}
    )


def test_from_the_second_mirror_then_without_network(mirrored, tmp_path):
    second = locked_weights()[SD]["hub"][1]["repository"]
    with fake_hub({second: mirrored}) as address:
        done = prd(["weights", "fetch", SD], tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert not (folder / "unet" / "diffusion_pytorch_model.bin").exists()
    again = prd(["weights", "fetch", SD], tmp_path, HF_HUB_OFFLINE="1")
    assert again.stdout == done.stdout
    digest = [sys.executable, "-c", f"from infra.weights import *; print(weights_digest(Path({str(folder)!r})))"]
    root = Path(__file__).parents[2]
    assert len(subprocess.run(digest, cwd=root, capture_output=True, text=True, check=True).stdout.strip()) >= 32


def test_damaged_on_its_way(mirrored, tmp_path):
    first, second = (mirror["repository"] for mirror in locked_weights()[SD]["hub"])
    with fake_hub({first: mirrored, second: mirrored}, damaged=("diffusion_pytorch_model.safetensors",)) as address:
        done = prd(["weights", "fetch", SD], tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert done.returncode == 4
    assert done.stderr.count("was damaged on its way") == 2
    with fake_hub({first: mirrored}) as address:
        done = prd(["weights", "fetch", SD], tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, "what was damaged is fetched again"


def test_an_original_is_fetched_and_must_be_what_it_says(tmp_path):
    repository = tmp_path / "original"
    repository.mkdir()
    torch.save({"model.diffusion_model.weight": torch.zeros(1)}, repository / "sd-v2.1-base-4view.pt")
    with fake_hub({"MVDream/MVDream": repository}) as address:
        done = prd(["weights", "fetch", "mvdream-sd21"], tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert done.returncode == 3 and "sd-v2.1-base-4view.pt has no tensor first_stage_model." in done.stderr
    assert not (tmp_path / "home" / "weights" / "mvdream-sd21").exists()


def test_what_is_here_is_not_fetched(home, miniature, monkeypatch):
    monkeypatch.setenv("PRD_WEIGHTS", str(home / "mine"))
    settings.cache_clear()
    shutil.copytree(miniature / "mvdream", home / "mine" / "mvdream-sd21")
    done = CliRunner().invoke(app, ["weights", "fetch", "mvdream-sd21", "miniature/mvdream"], catch_exceptions=False)
    first, second = done.stdout.split()
    assert first == str(home / "mine" / "mvdream-sd21") and second.endswith("miniature/weights/mvdream")
    with pytest.raises(InputError, match="no model of the lock file"):
        CliRunner().invoke(app, ["weights", "fetch", "mvdraem"], catch_exceptions=False)


def test_convert_names_what_is_wrong(home, tmp_path):
    (tmp_path / "file.pt").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"torch\.save did not write it"):
        CliRunner().invoke(app, ["weights", "convert", "mvdream", str(tmp_path / "file.pt")], catch_exceptions=False)
    with pytest.raises(InputError, match="no family 'sd'"):
        CliRunner().invoke(app, ["weights", "convert", "sd", str(tmp_path / "file.pt")], catch_exceptions=False)
    assert not list(settings().weights_folder.glob("mvdream*"))


def test_recipes_find_what_was_converted():
    assert {family.weights for family in FAMILIES.values()} == {
        name for name, entry in locked_weights().items() if "original" in entry
    }
