"""The method on a GPU gives what it gives on a CPU. Skipped by name where there is no GPU."""

import pytest
import torch
from PIL import Image
from torch import Tensor

from flows.recipe import read_recipe
from infra.weights import resolve_weights
from prd.distill import Batch, distill
from prd.export import write_mesh
from prd.generator import TriplaneGenerator
from prd.inference import TextToMesh
from prd.turntable import write_turntable
from teachers.pool import TeacherPool
from teachers.text import TextEncoder

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
LOCAL = [f"teachers.{name}.placement=local" for name in ("stable_diffusion", "mvdream", "richdreamer")]
PROMPTS = ("a red cube", "a blue sphere on a yellow cone")


def student_on(device: str, *overrides: str) -> TriplaneGenerator:
    config = read_recipe("miniature", list(overrides)).generator
    student = TriplaneGenerator.untrained(resolve_weights(config.base), config, seed=0)
    draws = torch.Generator().manual_seed(1)
    for name, parameter in student.trainable():
        if name.endswith(".up"):  # zero at the start
            parameter.data = torch.randn(parameter.shape, generator=draws) * 0.02
    return student.to(device)


def text_to_mesh(device: str) -> TextToMesh:
    student = student_on(device)
    return TextToMesh(student, TextEncoder.from_folder(resolve_weights(student.config.base), torch.device(device)))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.01), ("bf16", 0.1)])
def test_planes(home, precision, tolerance):
    def planes(device: str, precision: str) -> Tensor:
        student = student_on(device, f"generator.precision={precision}")
        base = resolve_weights(student.config.base)
        text = TextEncoder.from_folder(base, torch.device(device)).encode(PROMPTS)
        return student.sample(student.initial_noise(2, torch.Generator().manual_seed(2)), text).planes.cpu()

    expected, found = planes("cpu", "fp32"), planes("cuda", precision)
    assert (found - expected).norm() < tolerance * expected.norm()


def test_meshes_and_their_files(home, tmp_path):
    expected, found = (
        list(text_to_mesh(device).generate(PROMPTS, surface_resolution=32)) for device in ("cpu", "cuda")
    )
    for number, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        volumes = [one.mesh.to_trimesh().volume for one in (theirs, ours)]
        assert volumes[1] == pytest.approx(volumes[0], rel=0.02)
        write_mesh(ours.mesh, tmp_path / f"{number}.glb", 64, ours.colour_at)
        write_turntable(ours.mesh, tmp_path / f"{number}.png", torch.device("cuda"))
        assert len(set(Image.open(tmp_path / f"{number}.png").convert("L").getdata())) > 2


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_of_an_iteration(home, recompute):
    def gradients(device: str) -> dict[str, Tensor]:
        recipe = read_recipe("miniature", [*LOCAL, f"train.recompute={recompute}"])
        student = student_on(device)
        base = resolve_weights(recipe.generator.base)
        text = TextEncoder.from_folder(base, torch.device(device)).encode(PROMPTS)
        with TeacherPool.start(recipe.teachers) as teachers:
            distill(student, teachers, Batch(PROMPTS, text, 0.2, 0), recipe.train, torch.Tensor.backward)
        return {name: p.grad.cpu() for name, p in student.trainable() if p.grad is not None}

    expected, found = gradients("cpu"), gradients("cuda")
    assert found.keys() == expected.keys()
    whole, other = (torch.cat([some[name].flatten() for name in expected]) for some in (expected, found))
    assert torch.cosine_similarity(whole, other, dim=0) > 0.95
