"""The benchmarks run, and what they hold times against is right."""

import re

import pytest
import torch

from benchmarks import generate, report, train_step
from benchmarks.full_size import local_recipe, random_student, random_weights, write_folders
from benchmarks.roofline import Peak, Work
from benchmarks.stages import REST, Stages
from teachers.architectures import PUBLISHED
from teachers.registry import load_teacher

META, CPU = torch.device("meta"), torch.device("cpu")
SMALL = [
    "--size=miniature",
    "--repeats=1",
    "train.volume.resolution=12",
    "train.mesh.resolution=24",
    "train.mesh.surface_resolution=16",
    "generator.steps=1",
]


@pytest.fixture(autouse=True)
def _quick(home, monkeypatch):
    peak = Peak({"half": 1e12, "single": 1e11}, 1e10, "made up")
    for module in (generate, train_step):
        monkeypatch.setattr(module, "device_peak", lambda _: peak)


def table(text: str) -> dict[str, list[float]]:
    """Stage → its numbers, of the last table."""
    rows = re.findall(r"^\| ([\w:,.\- ]+?) +\|((?: +[\d.e+-]+ \|| +\|)+)$", text, flags=re.MULTILINE)
    return {name: [float(cell) for cell in cells.split("|") if cell.strip()] for name, cells in rows}


def test_text_to_mesh(capsys):
    generate.main([*SMALL, "--warm-up=1", "--batches", "2", "--resolution", "16"])
    text = capsys.readouterr().out
    stages = table(text)
    assert {"encode", "denoise", "decode", "field", "surface", "colour", "export", "total"} <= stages.keys()
    assert all(stages[name][2] > 0 for name in ("encode", "denoise", "decode", "field", "colour"))  # TFLOP
    assert stages["surface"][3] > 0  # GB
    assert stages["total"][1] == pytest.approx(sum(row[1] for name, row in stages.items() if name != "total"), abs=1)
    assert re.search(r"[1-9]\d+ faces an object", text)


def test_a_training_iteration(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    train_step.main([*SMALL, "--warm-up=0", "--prompts=1", "--save"])
    (saved,) = tmp_path.iterdir()
    text = capsys.readouterr().out
    assert saved.read_text(encoding="utf-8") in text
    stages = table(text)
    student = {"U-Net", "decoder", "volume rendering", "mesh rendering", "backward: rendering", "backward: decoder"}
    teachers = {f"{name}: {part}" for name in ("stable_diffusion", "mvdream") for part in ("encoder", "U-Net")}
    assert {*student, *teachers, "richdreamer: U-Net", "backward: U-Net", "text", "optimiser"} <= stages.keys()
    assert all(stages[name][2] > 0 for name in (*student, *teachers, "backward: U-Net"))
    # The frozen weights get no gradient: backward costs less than twice the forward pass, and more than it.
    assert stages["decoder"][2] < stages["backward: decoder"][2] < 2 * stages["decoder"][2]


def test_a_student_without_its_teachers(capsys):
    train_step.main([*SMALL, "--warm-up=0", "--prompts=1", "--teachers=none"])
    stages = table(capsys.readouterr().out)
    assert "backward: U-Net" in stages and not any("mvdream" in name for name in stages)


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full-size")
    write_folders(folder)
    return folder


def test_full_size_student(folder):
    recipe = local_recipe("full", folder, [])
    student = random_student(recipe, META)
    assert sum(p.numel() for _, p in student.trainable()) == 22_661_184 + 22_976
    assert student.base_dtype == torch.bfloat16
    stages = Stages(CPU)
    with stages.watch(student, "predict_noise", "U-Net"), stages.watch(student, "decode", "decoder"), stages.counted():
        predicted = student.predict_noise(
            torch.zeros(6, 4, 32, 32, device=META), 999, torch.zeros(1, 77, 1024, device=META)
        )
        student.decode(predicted)
    # Of one object. Six lone pictures take 1.08; attention among them and adapters add to it.
    assert stages.work["U-Net"].flops.total() == pytest.approx(1.34e12, rel=0.01)
    assert stages.work["decoder"].flops.total() == pytest.approx(4.02e12, rel=0.01)
    assert stages.work["U-Net"].bytes > 865_910_724 * 2, "all weights are read"


def test_full_size_teachers(folder):
    recipe = local_recipe("full", folder, [])
    with random_weights(META):
        teachers = {name: load_teacher(name, config, META) for name, config in recipe.teachers.items()}
    sizes = {name: count(teacher.unet) for name, teacher in teachers.items()}
    assert sizes == {"stable_diffusion": 865_910_724, "mvdream": 867_572_164, "richdreamer": 861_182_404}
    assert {name: teacher.text.width for name, teacher in teachers.items()} == {
        "stable_diffusion": 1024,
        "mvdream": 1024,
        "richdreamer": 768,
    }
    assert len(PUBLISHED) == len(teachers)


def test_work_is_what_the_operations_are():
    stages, runs = Stages(CPU), []
    a, b = torch.ones(8, 4, requires_grad=True), torch.ones(4, 16)
    with stages.timed(runs), stages.counted(), stages.stage("outer"):
        c = a @ b
        with stages.stage("inner"):
            (c.bfloat16() @ torch.ones(16, 2, dtype=torch.bfloat16)).sum().backward()
    assert stages.work["outer"].flops == {"single": 2 * 8 * 4 * 16}
    assert stages.work["outer"].bytes == 4 * (8 * 4 + 4 * 16 + 8 * 16)
    # The product, its backward in half precision, and that of the one before.
    assert stages.work["inner"].flops == {"half": 2 * 2 * 8 * 16 * 2, "single": 2 * 8 * 4 * 16}
    assert runs[0].keys() == {REST, "outer", "inner"}


def test_the_bound_is_the_larger_of_arithmetic_and_traffic():
    peak = Peak({"half": 100.0, "single": 10.0}, 5.0, "made up")
    work = Work(operands=10, passed=5)
    work.flops.update(half=100, single=20)
    assert peak.seconds(work) == 1 + 2
    work.passed = 50
    assert peak.seconds(work) == 10
