"""The true objects pass every measurement, and each way of being wrong is noticed."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate
from evaluation.gallery import GeneratedMesh
from evaluation.measured import MeshTruth, summarise
from evaluation.references import Reference, reference_of_meshes
from evaluation.report import BEFORE_TRAINING, EvaluationReport
from evaluation.truth import mark_areas, measure
from prd.mesh import Mesh
from prd.render.isosurface import extract_surface
from teachers.cameras import orbit
from teachers.miniature.scene import COLOURS, SOLIDS, Scene, parse
from teachers.miniature.solids import distances, parts_of
from teachers.miniature.world import palette, render

NOSED, STACKED = "a green sphere with a yellow nose", "an orange torus on a blue cylinder"


@cache
def lattice(size: int = 48) -> torch.Tensor:
    line = torch.linspace(-1, 1, size)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)


def mesh_of(prompt: str) -> Mesh:
    """The true object as a mesh in its own colours."""
    scene = parse(prompt)
    parts = parts_of(scene)
    surface = extract_surface(distances(parts, lattice().flatten(0, 2)).amin(-1).view(lattice().shape[:3]))
    part = distances(parts, surface.vertices).argmin(-1)
    return Mesh(surface.vertices, surface.faces, palette(scene)[part])


def found(prompt: str, mesh: Mesh) -> MeshTruth:
    truth = measure(prompt, mesh)
    assert truth is not None
    return truth


def every_solid() -> list[str]:
    """Each solid alone, with a nose, above and below, in all colours."""
    colours, solids = list(COLOURS), list(SOLIDS)
    scenes = [Scene(colours[index], solid) for index, solid in enumerate(solids)]
    scenes += [Scene(colours[index + 6], solid, nose=colours[index]) for index, solid in enumerate(solids)]
    scenes += [
        Scene(colours[index], solid, below=(colours[index + 3], solids[index - 1]))
        for index, solid in enumerate(solids)
    ]
    return [*map(str, scenes), "a grey cone with a white nose", "a white capsule with a black nose"]


@pytest.mark.parametrize("prompt", every_solid())
def test_the_true_object_is_right_in_everything(prompt: str) -> None:
    truth = found(prompt, mesh_of(prompt))
    assert truth.iou > 0.95
    assert all(part.colour_is_right and part.solid_is_right for part in truth.parts), truth.parts
    assert truth.mark_seen_deg == ((0.0,) if "nose" in prompt else None)


@pytest.mark.parametrize("shade", [0.8, 0.9])
@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_in_the_shade_keeps_its_name(colour: str, shade: float) -> None:
    mesh = mesh_of("a red cube")
    (part,) = found(
        f"a {colour} cube", replace(mesh, colours=torch.tensor(COLOURS[colour]).expand_as(mesh.colours) * shade)
    ).parts
    assert part.colour_found == colour


def test_wrong_colours_are_noticed() -> None:
    mesh = mesh_of("a purple torus on a pink cylinder")
    truth = found(STACKED, mesh)
    assert [(part.part, part.colour_found) for part in truth.parts] == [("body", "purple"), ("below", "pink")]
    assert not any(part.colour_is_right for part in truth.parts)
    assert all(part.solid_is_right for part in truth.parts) and truth.iou > 0.95


def test_colours_that_changed_places_are_noticed() -> None:
    truth = found(STACKED, mesh_of("a blue torus on an orange cylinder"))
    assert [part.colour_found for part in truth.parts] == ["blue", "orange"]


def test_a_wrong_solid_is_noticed() -> None:
    truth = found(STACKED, mesh_of("an orange torus on a blue cone"))
    body, below = truth.parts
    assert body.solid_is_right
    assert below.solid_found == "cone" and not below.solid_is_right
    assert 0.3 < truth.iou < 0.95


def test_a_missing_part_has_no_colour() -> None:
    sphere = mesh_of("a green sphere")
    low = sphere.vertices[:, 2] > -2
    truth = found(STACKED, replace(sphere, vertices=(sphere.vertices * 0.2 + torch.tensor([0, 0, 0.75]))[low]))
    below = truth.parts[1]
    assert below.part == "below" and below.colour_found is None and not below.colour_is_right


def test_size_and_place_count() -> None:
    mesh = mesh_of("a red cube")
    assert found("a red cube", replace(mesh, vertices=mesh.vertices * 0.6)).iou == pytest.approx(0.6**3, abs=0.03)
    assert found("a red cube", replace(mesh, vertices=mesh.vertices + torch.tensor([0.45, 0, 0]))).iou < 0.5


def painted(*azimuths: float, size: float = 0.22) -> Mesh:
    """A green sphere with flat yellow spots."""
    mesh = mesh_of("a green sphere")
    spots = torch.deg2rad(torch.tensor(azimuths))
    centres = 0.6 * torch.stack([spots.cos(), spots.sin(), torch.zeros_like(spots)], dim=-1)
    near = torch.cdist(mesh.vertices, centres.view(-1, 3)) < size
    return replace(mesh, colours=torch.where(near.any(-1)[:, None], torch.tensor(COLOURS["yellow"]), mesh.colours))


@pytest.mark.parametrize("sides", [(), (0.0,), (180.0,), (0.0, 180.0), (0.0, 90.0, 180.0, 270.0)])
def test_marks_are_found_on_the_sides_they_are_on(sides: tuple[float, ...]) -> None:
    truth = found(NOSED, painted(*sides))
    assert truth.mark_seen_deg == sides
    assert truth.mark_is_right == (sides == (0.0,))
    assert truth.parts[1].colour_is_right == (0.0 in sides), "a flat mark has a colour too"


def test_a_speck_is_no_mark() -> None:
    assert found(NOSED, painted(0.0, size=0.07)).mark_seen_deg == ()


def test_prompts_of_other_worlds_are_not_measured() -> None:
    for prompt in ("a dragon", "a red cube on fire", "a red castle", "", "\x00"):
        assert measure(prompt, mesh_of("a red cube")) is None
        assert measure(prompt, None) is None


def test_no_mesh_is_wrong_in_everything() -> None:
    for prompt, parts in (("a red cube", 1), (NOSED, 2), (STACKED, 2)):
        truth = measure(prompt, None)
        assert truth is not None and truth.iou == 0 and len(truth.parts) == parts
        assert not any(part.colour_is_right for part in truth.parts)
        assert not any(part.solid_is_right for part in truth.parts if part.solid)
        assert truth.mark_seen_deg == (() if "nose" in prompt else None)


def test_the_summary_counts_all_of_it() -> None:
    right = found(NOSED, mesh_of(NOSED))
    wrong = found("a green cube with a yellow nose", painted(0.0, 180.0))
    summary = summarise([right, wrong, measure(STACKED, None), None])
    assert (summary.meshes, summary.outside) == (3, 1)
    assert summary.iou == pytest.approx((right.iou + wrong.iou) / 3, abs=1e-3)
    assert (summary.colours, summary.solids, summary.marks) == (6, 4, 2)
    assert summary.colour_accuracy == pytest.approx(100 * 4 / 6, abs=1e-3)
    assert summary.shape_accuracy == pytest.approx(100 / 4)
    assert (summary.mark_in_front_only, summary.mark_views) == (50, 1.5)


def test_a_summary_of_nothing_has_no_numbers() -> None:
    summary = summarise([None])
    assert (summary.meshes, summary.outside, summary.iou, summary.mark_views) == (0, 1, None, None)
    assert summary.colour_accuracy is summary.shape_accuracy is summary.mark_in_front_only is None


@pytest.mark.parametrize("solid", SOLIDS)
def test_marks_in_pictures_of_the_world(solid: str) -> None:
    """Lit, and mixed with the background at the silhouettes."""
    scene = Scene("grey", solid, nose="white")
    around = orbit(torch.tensor([0.0, 90.0, 180.0, 270.0]), 15.0, 2.6, 40.0)
    areas = mark_areas((render([scene], around, 64).rgb * 255).byte(), scene)
    assert 0.015 < areas[0] < 0.06
    assert (areas[1:] < areas[0] / 3).all()


def test_the_report_and_its_page_show_what_was_measured(config: EvaluationConfig, tmp_path: Path, write_glb) -> None:
    config = config.model_copy(update={"truth": "miniature"})
    prompts = [NOSED, STACKED, "a dragon", "a red cube"]
    before = reference_of_meshes(
        BEFORE_TRAINING, (GeneratedMesh(prompt, mesh_of("a black capsule")) for prompt in prompts), config, "cpu"
    )
    teacher = Reference("painter", {prompts[0]: torch.zeros(1, 8, 8, 3, dtype=torch.uint8)})
    made = [
        GeneratedMesh(NOSED, mesh_of(NOSED)),
        GeneratedMesh(STACKED, mesh_of("an orange torus on a blue cone")),
        GeneratedMesh("a dragon", mesh_of("a green cube")),
    ]
    references = [before, teacher]
    report = evaluate(made, prompts, config, tmp_path, {}, references=references, write_mesh=write_glb, device="cpu")

    assert EvaluationReport.load(tmp_path) == report
    assert [mesh.truth and len(mesh.truth.parts) for mesh in report.meshes] == [2, 2, None, 1]
    assert report.truth == summarise([mesh.truth for mesh in report.meshes])
    assert report.truth.colour_accuracy == 80 and report.truth.shape_accuracy == 50 and report.truth.outside == 1
    assert report.references[0].truth is not None and report.references[0].truth.colour_accuracy == 0
    assert report.references[1].truth is None
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<span class="fail">blue cylinder: cone</span>' in page
    assert '<span class="pass">nose seen from 0°</span>' in page
    cells = [re.findall(r"<td>([^<]+)</td>", row) for row in re.findall(r"<tr.*?</tr>", page)]
    before_cells, own_cells, teacher_cells = (row[3:] for row in cells if len(row) == 7)
    assert own_cells == ["80.0", "50.0", f"{report.truth.iou:.2f}", "100.0"]
    assert before_cells[0] == "0.0" and teacher_cells == ["–"] * 4


def test_nothing_is_measured_unless_asked_for(config: EvaluationConfig, tmp_path: Path, write_glb) -> None:
    report = evaluate([GeneratedMesh(NOSED, mesh_of(NOSED))], [NOSED], config, tmp_path, {}, write_mesh=write_glb)
    assert report.truth is None and report.meshes[0].truth is None
    content = json.loads((tmp_path / "report.json").read_text())
    del content["truth"], content["meshes"][0]["truth"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert EvaluationReport.load(tmp_path).identity == report.identity
