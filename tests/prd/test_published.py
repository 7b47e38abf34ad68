"""What users publish and load: folders, the Hub, the authors' file, and whatever is wrong with them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from fake_hub import commit_of, fake_hub
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from infra.errors import InputError, MissingError
from infra.weights import resolve_weights
from prd.config import GeneratorConfig
from prd.generator import TriplaneGenerator
from prd.published import ADAPTER, CARD, GENERATOR
from prd.released import import_released, load_released

ROOT = Path(__file__).parents[2]
BASE = "miniature/stable-diffusion"


@pytest.fixture
def generator(home) -> TriplaneGenerator:
    config = GeneratorConfig(base=BASE, latent_size=8, rank=2, plane_channels=4, hidden_width=8)
    generator = TriplaneGenerator.untrained(resolve_weights(config.base), config, seed=0)
    draws = torch.Generator().manual_seed(1)
    for name, parameter in generator.trainable():
        if name.endswith(".up"):  # zero at the start
            parameter.data = torch.randn(parameter.shape, generator=draws) * 0.1
    return generator


def planes_of(generator: TriplaneGenerator) -> torch.Tensor:
    draws = torch.Generator().manual_seed(2)
    text = torch.randn(1, 16, 64, generator=draws)
    return generator.sample(generator.initial_noise(1, draws), text).planes


def test_what_is_saved_is_loaded(generator, tmp_path):
    generator.save_pretrained(tmp_path / "mine", {"corpus": "abc"})
    again = TriplaneGenerator.from_pretrained(tmp_path / "mine")
    assert again.config == generator.config
    assert_close(planes_of(again), planes_of(generator), rtol=0, atol=0)


def test_the_card_is_one(generator, tmp_path):
    generator.save_pretrained(tmp_path, {"corpus": "abc"})
    _, front, text = (tmp_path / CARD).read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "text-to-3d"
    count = sum(parameter.numel() for _, parameter in generator.trainable())
    for fact in (BASE, f"{count:,} parameters", "| corpus | `abc` |", "prd generate"):
        assert fact in text


def change_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / ADAPTER)
    change(tensors, next(iter(tensors)))
    save_file(tensors, folder / ADAPTER)


def change_description(folder: Path, **changes) -> None:
    description = json.loads((folder / GENERATOR).read_text())
    (folder / GENERATOR).write_text(json.dumps(description | changes))


def change_architecture(folder: Path, **changes) -> None:
    description = json.loads((folder / GENERATOR).read_text())
    change_description(folder, generator=description["generator"] | changes)


DAMAGE = {
    "missing": lambda folder: change_tensors(folder, lambda tensors, name: tensors.pop(name)),
    "extra": lambda folder: change_tensors(folder, lambda tensors, name: tensors.update(other=torch.zeros(1))),
    "misshapen": lambda folder: change_tensors(folder, lambda t, name: t.update({name: t[name].flatten()[:1]})),
    "not finite": lambda folder: change_tensors(folder, lambda t, name: t.update({name: t[name] * torch.nan})),
    "cut short": lambda folder: (folder / ADAPTER).write_bytes((folder / ADAPTER).read_bytes()[:1000]),
    "no JSON": lambda folder: (folder / GENERATOR).write_text("{"),
    "no object": lambda folder: (folder / GENERATOR).write_text("[]"),
    "another format": lambda folder: change_description(folder, format=99),
    "unknown field": lambda folder: change_description(folder, generator={"base": BASE, "depth": 3}),
    "of another save": lambda folder: change_tensors(folder, lambda tensors, name: tensors[name].add_(1)),
    "of no known size": lambda folder: change_architecture(folder, plane_channels=10**9),
    "no sample": lambda folder: change_description(folder, base_sample="what?"),
    "a short sample": lambda folder: change_description(folder, base_sample="AAA="),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_named(generator, tmp_path, damage):
    generator.save_pretrained(tmp_path)
    DAMAGE[damage](tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):
        TriplaneGenerator.from_pretrained(tmp_path)


@pytest.mark.parametrize("absent", [ADAPTER, GENERATOR])
def test_an_incomplete_folder_is_no_generator(generator, tmp_path, absent):
    generator.save_pretrained(tmp_path)
    (tmp_path / absent).unlink()
    with pytest.raises(MissingError):
        TriplaneGenerator.from_pretrained(tmp_path)


def load_from_hub(references: list[str], cache: Path, **environment: str) -> list[str]:
    """What came of each, in a process of its own: the Hub's address is read when its library is imported."""
    code = (
        "import sys\n"
        "from infra.errors import PRDError\n"
        "from prd.generator import TriplaneGenerator\n"
        "for reference in sys.argv[1:]:\n"
        "    try:\n"
        "        TriplaneGenerator.from_pretrained(*reference.split('@'))\n"
        "        print('loaded')\n"
        "    except PRDError as error:\n"
        "        print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *references],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(cache), **environment},
    )
    return done.stdout.split()


def test_from_the_hub(generator, tmp_path):
    generator.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "huge.bin").write_bytes(b"not needed")
    with fake_hub({"someone/cubes": tmp_path / "model"}) as address:
        wanted = ["someone/cubes", f"someone/cubes@{commit_of(tmp_path / 'model')}", "someone/spheres"]
        found = load_from_hub(wanted, tmp_path / "cache", HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert found == ["loaded", "loaded", "MissingError"]
    assert not list((tmp_path / "cache").rglob("huge.bin"))
    wanted = ["someone/cubes", "someone/tori", "../../etc/passwd"]
    found = load_from_hub(wanted, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert found == ["loaded", "UnavailableError", "MissingError"]


def test_a_base_in_bf16_stays_close_and_trains_in_fp32(generator, tmp_path):
    generator.save_pretrained(tmp_path)
    half = TriplaneGenerator.from_pretrained(tmp_path, precision="bf16")
    assert half.base_dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for _, parameter in half.trainable())
    expected, found = planes_of(generator), planes_of(half)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 0.1 * expected.norm()
    assert not torch.equal(found, expected)

    draws = torch.Generator().manual_seed(3)
    noise = half.initial_noise(1, draws)
    planes = half.decode(half.predict_noise(noise, 999, torch.randn(1, 16, 64, generator=draws)))
    fields = half.fields(planes)
    points = torch.rand(1, 8, 3, generator=draws) - 0.5
    (fields.sdf(points).sum() + fields.colour(points).sum() + fields.deformation(points).sum()).backward()
    for name, parameter in half.trainable():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_a_trained_base_needs_full_precision():
    with pytest.raises(ValueError, match="fp32"):
        GeneratorConfig(base=BASE, adaptation="full", precision="bf16")


@pytest.fixture
def released(tiny, tiny_base, tmp_path) -> Path:
    """A file as the authors publish it, and the diffusers folder that it belongs to."""
    unet, vae = tiny_base()
    unet.save_pretrained(tmp_path / "base" / "unet")
    vae.save_pretrained(tmp_path / "base" / "vae")
    box = {"geometry.bbox": torch.tensor([[-1.0] * 3, [1.0] * 3])}
    state_dict = box | {key: value for key, value in tiny.tensors.items() if key.startswith("geometry.")}
    torch.save({"epoch": 0, "global_step": 0, "state_dict": state_dict}, tmp_path / "triplane.pth")
    return tmp_path / "triplane.pth"


def test_the_authors_file_becomes_a_folder(tiny, released, tmp_path):
    import_released(released, str(tmp_path / "base"), tmp_path / "ours")
    generator = TriplaneGenerator.from_pretrained(tmp_path / "ours")
    assert_close(generator.decode(tiny["io.z0"]), tiny["io.planes"], rtol=0, atol=1e-5)
    predicted = generator.predict_noise(tiny["io.noisy_latents"], int(tiny["io.timestep"]), tiny["io.text_embedding"])
    assert_close(predicted, tiny["io.noise_prediction"], rtol=0, atol=1e-5)
    assert "triplane.pth" in (tmp_path / "ours" / CARD).read_text()


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def change_up(change):
    """Damages one tensor of an adapter."""

    def damage(state_dict: dict[str, torch.Tensor]) -> None:
        name = next(name for name in state_dict if name.endswith("up.weight"))
        state_dict[name] = change(state_dict[name])

    return damage


WRONG = {
    "missing": lambda state_dict: state_dict.popitem(),
    "extra": lambda state_dict: state_dict.update({"geometry.other": torch.zeros(1)}),
    "misshapen": change_up(lambda up: up[:3, :3]),
    "never trained": change_up(torch.zeros_like),
    "not finite": change_up(lambda up: up * torch.nan),
    "another box": lambda state_dict: state_dict["geometry.bbox"].mul_(2),
    "something else": lambda state_dict: (state_dict.clear(), state_dict.update(weight=torch.zeros(1))),
    "no tensors": lambda state_dict: state_dict.update({"geometry.note": "text"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_does_not_fit_is_refused(released, tmp_path, wrong):
    content = torch.load(released, weights_only=True)
    WRONG[wrong](content["state_dict"])
    torch.save(content, released)
    with pytest.raises(InputError):
        import_released(released, str(tmp_path / "base"), tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_what_is_there_is_not_written_over(released, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "README.md").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        import_released(released, str(tmp_path / "base"), tmp_path / "ours")
    assert (tmp_path / "ours" / "README.md").read_text() == "mine"


def test_a_generator_without_a_name_for_its_base_is_not_saved(tiny, tiny_base, tmp_path):
    generator = load_released(tiny.tensors, *tiny_base())
    with pytest.raises(InputError, match="base"):
        generator.save_pretrained(tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_the_base_may_be_elsewhere(generator, tmp_path, miniature):
    generator.save_pretrained(tmp_path / "mine")
    shutil.copytree(miniature / "stable-diffusion", tmp_path / "moved")
    again = TriplaneGenerator.from_pretrained(tmp_path / "mine", base=str(tmp_path / "moved"))
    assert again.config.base == str(tmp_path / "moved")


def test_a_fine_tune_of_the_base_is_another_base(generator, tmp_path, miniature):
    """Its tensors have the same shapes, and it has no manifest that would tell."""
    generator.save_pretrained(tmp_path / "mine")
    tuned = shutil.copytree(miniature / "stable-diffusion", tmp_path / "tuned")
    (tuned / "manifest.json").unlink(missing_ok=True)
    file = tuned / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    save_file({name: tensor * 1.05 for name, tensor in tensors.items()}, file)
    with pytest.raises(InputError, match="other weights"):
        TriplaneGenerator.from_pretrained(tmp_path / "mine", base=str(tuned))
    save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, file)  # the same, kept in less
    TriplaneGenerator.from_pretrained(tmp_path / "mine", base=str(tuned))


def test_a_file_for_another_base_is_refused(home, released, tmp_path):
    with pytest.raises(InputError):
        import_released(released, BASE, tmp_path / "ours")


def test_nothing_in_a_file_is_run(released, tmp_path):
    torch.save({"state_dict": Hostile(tmp_path / "ran")}, released)
    for content in (released.read_bytes(), b"", b"not a pickle", b"PK\x03\x04 cut"):
        released.write_bytes(content)
        with pytest.raises(InputError, match=released.name):
            import_released(released, str(tmp_path / "base"), tmp_path / "ours")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(MissingError):
        import_released(tmp_path / "absent.pth", str(tmp_path / "base"), tmp_path / "ours")
