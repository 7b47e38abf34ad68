"""Algorithm 1 on the miniature models: same result however steps overlap, gradients where they belong, maps right."""

from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from flows.recipe import read_recipe
from infra.weights import resolve_weights
from prd.config import MeshConfig, TrainConfig, VolumeConfig
from prd.distill import Batch, distill
from prd.fields import FieldHeads, TriplaneFields
from prd.generator import TriplaneGenerator
from prd.render.gradient import scale_gradient
from prd.render.mesh import field_surface, render_mesh
from prd.render.volume import render_volume
from teachers.cameras import orbit
from teachers.contract import TeacherSpec
from teachers.maps import RenderedViews, teacher_pixels
from teachers.pool import TeacherPool
from teachers.text import TextEncoder

SMALL = [
    "train.volume.resolution=12",
    "train.volume.coarse_intervals=8",
    "train.volume.fine_intervals=4",
    "train.mesh.resolution=24",
    "train.mesh.surface_resolution=16",
    "teachers.richdreamer.resolution=8",
    *(f"teachers.{name}.placement=local" for name in ("stable_diffusion", "mvdream", "richdreamer")),
]
PROMPTS = ("a red cube", "a blue sphere on a yellow cone")


@pytest.fixture
def recipe(home):
    return read_recipe("miniature", SMALL)


def run(
    recipe, config: TrainConfig, seed: int = 0, compare: bool = False
) -> tuple[dict[str, Tensor], dict[str, float], int]:
    """Gradients by name, metrics, and how often backward was called."""
    base = resolve_weights(recipe.generator.base)
    torch.manual_seed(3)
    student = TriplaneGenerator.from_base(base, recipe.generator)
    for name, parameter in student.trainable():
        if name.endswith(".up"):  # zero at first, which would hide the gradients of `down`
            torch.nn.init.normal_(parameter, std=0.05)
    text = TextEncoder.from_folder(base, torch.device("cpu")).encode(PROMPTS)
    losses: list[Tensor] = []

    def backward(loss: Tensor) -> None:
        losses.append(loss.detach())
        loss.backward()

    with TeacherPool.start(recipe.teachers) as teachers:
        metrics = distill(student, teachers, Batch(PROMPTS, text, 0.2, seed, compare), config, backward)
    gradients = {name: p.grad for name, p in student.named_parameters() if p.grad is not None}
    # Only a mesh has grid points to move.
    unused = "heads.deformation" if config.mesh is None else "none"
    trainable = {name for name, _ in student.trainable() if not name.startswith(unused)}
    assert gradients.keys() == trainable, "every adapter and head gets a gradient, and nothing else does"
    return gradients, metrics, len(losses)


def test_overlap_and_recomputation_change_nothing(recipe):
    ways = ((1, False), (3, False), (4, False), (1, True), (4, True))
    results = [
        run(recipe, recipe.train.model_copy(update={"max_inflight_steps": steps, "recompute": recompute}))
        for steps, recompute in ways
    ]
    (expected, metrics, calls), *others = results
    assert calls == 4
    assert {
        f"teachers/{name}/{renderer}/loss" for name in recipe.teachers for renderer in ("mesh", "volume")
    } <= metrics.keys()
    for gradients, other_metrics, other_calls in others:
        assert other_calls == 4 and other_metrics == pytest.approx(metrics, rel=1e-4)
        for name, gradient in expected.items():
            torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_a_seed_names_everything(recipe):
    first, again, other = (run(recipe, recipe.train, seed)[0] for seed in (0, 0, 1))
    name = "heads.colour.first"
    assert torch.equal(first[name], again[name]) and not torch.allclose(first[name], other[name])


@pytest.mark.parametrize("recompute", [False, True])
def test_comparing_teachers_changes_nothing(recipe, recompute):
    config = recipe.train.model_copy(update={"recompute": recompute})
    expected, plain, _ = run(recipe, config)
    gradients, metrics, _ = run(recipe, config, compare=True)
    assert all(torch.equal(gradients[name], gradient) for name, gradient in expected.items())
    added = metrics.keys() - plain.keys()
    names = list(recipe.teachers)
    shares = [metrics[f"teachers/{name}/share"] for name in names]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0
    cosines = {name for name in added if name.endswith("/cosine")}
    assert cosines == {f"teachers/{a}~{b}/cosine" for a, b in combinations(names, 2)}
    assert all(-1 <= metrics[name] <= 1 for name in cosines)
    assert len(added) == 2 * len(names) + len(cosines)


@pytest.mark.parametrize("missing", ["volume", "mesh"])
def test_either_renderer_will_do(recipe, missing):
    config = recipe.train.model_copy(update={missing: None})
    _, metrics, _ = run(recipe, config)
    assert not any(f"/{missing}/" in name for name in metrics)
    assert ("eikonal" in metrics) == (missing == "mesh")


def coloured_fields(requires_grad: bool = False) -> TriplaneFields:
    torch.manual_seed(1)
    planes = torch.randn(2, 6, 8, 16, 16) * 0.1
    return TriplaneFields(planes.requires_grad_(requires_grad), FieldHeads(8, 16).read())


def test_both_renderers_see_the_same_object():
    """One definition of colour, normal, distance and coverage."""
    fields = coloured_fields()
    cameras = orbit(torch.tensor([20.0, 200.0, 20.0, 200.0]), 15.0, 2.0, 60.0)
    background = torch.full((4, 3), 0.25)
    with torch.no_grad():
        mesh = render_mesh(fields, cameras, background, MeshConfig(resolution=48, surface_resolution=96))
        # As sharp as the surface itself, so that both show the zero level.
        config = VolumeConfig(
            resolution=48, global_resolution=None, coarse_intervals=128, fine_intervals=64, inverse_std=400
        )
        volume = render_volume(fields, cameras, background, config, 0.0, None).views
    inner = -F.max_pool2d(-mesh.opacity.permute(0, 3, 1, 2), 5, 1, 2).permute(0, 2, 3, 1) > 0.99  # away from edges
    assert inner.sum() > 500
    assert (mesh.opacity - volume.opacity).abs().mean() < 0.02
    for name, tolerance in (("rgb", 0.03), ("normal", 0.05), ("disparity", 0.01)):
        difference = (getattr(mesh, name) - getattr(volume, name)).abs()
        assert difference[inner.expand_as(difference)].mean() < tolerance, name
    corner = mesh.rgb[:, 0, 0]
    torch.testing.assert_close(corner, background)


def test_looking_in_parts_changes_nothing(monkeypatch):
    """All of both renderers' field queries, in parts of a few rays or points."""
    cameras = orbit(torch.tensor([20.0, 200.0, 20.0, 200.0]), 15.0, 2.0, 60.0)
    mesh = MeshConfig(resolution=16, surface_resolution=12)
    whole = VolumeConfig(resolution=8, global_resolution=None, coarse_intervals=8, fine_intervals=4)
    patched = whole.model_copy(update={"global_resolution": 4, "patch_resolution": 4})

    def look() -> tuple[list[Tensor], Tensor]:
        fields = coloured_fields(requires_grad=True)
        seen: list[Tensor] = []
        for config in (whole, patched):
            volume = render_volume(fields, cameras, torch.ones(4, 3), config, 0.5, torch.Generator().manual_seed(0))
            seen += [volume.views.rgb, volume.views.normal, volume.views.disparity, volume.eikonal()]
        seen.append(render_mesh(fields, cameras, torch.ones(4, 3), mesh).normal)
        sum(one.square().sum() for one in seen).backward()
        return [one.detach() for one in seen], fields.planes.grad

    expected, expected_gradient = look()
    for module in ("mesh", "volume"):
        monkeypatch.setattr(f"prd.render.{module}.points_at_once", lambda _: 100)
    found, gradient = look()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4 * float(expected_gradient.abs().max()))


def test_mesh_gradients_reach_colour_in_full_and_geometry_in_part():
    cameras = orbit(torch.tensor([0.0, 90.0]), 15.0, 2.0, 60.0)

    def gradients(factor: float) -> tuple[Tensor, Tensor]:
        fields = coloured_fields(requires_grad=True)
        config = MeshConfig(resolution=32, surface_resolution=24, sdf_gradient=factor, deformation_gradient=factor)
        views = render_mesh(fields, cameras, torch.ones(2, 3), config)
        (views.rgb.square().sum() + views.disparity.sum()).backward()
        return fields.planes.grad[:, :3], fields.planes.grad[:, 3:]

    geometry, texture = gradients(1.0)
    geometry_shrunk, texture_shrunk = gradients(0.001)
    torch.testing.assert_close(texture_shrunk, texture)
    torch.testing.assert_close(geometry_shrunk, geometry * 0.001, rtol=1e-3, atol=1e-6)
    assert geometry.abs().max() > 0 and texture.abs().max() > 0


def test_a_field_without_surface_still_gives_one():
    fields = TriplaneFields(torch.zeros(1, 6, 8, 4, 4), FieldHeads(8, 16).read(), sphere_radius=5.0)  # all inside
    surface = field_surface(fields, 16)
    assert len(surface.faces) > 0 and surface.vertices.isfinite().all()


def test_pixels_for_teachers():
    views = RenderedViews(
        torch.rand(2, 12, 12, 3), torch.rand(2, 12, 12, 3), torch.rand(2, 12, 12, 1), torch.ones(2, 12, 12, 1)
    )
    geometry = TeacherSpec("rd", ("normal", "disparity"), views=2, resolution=4, resize="average")
    pixels = teacher_pixels(views, geometry)
    assert pixels.shape == (2, 4, 4, 4) and geometry.channels == 4
    torch.testing.assert_close(pixels[0, 3, 0, 0], views.disparity[0, :3, :3, 0].mean())
    torch.testing.assert_close(pixels[1, 2, 3, 3], views.normal[1, 9:, 9:, 2].mean())
    colour = TeacherSpec("sd", ("rgb",), views=1, resolution=12, resize="bilinear")
    torch.testing.assert_close(teacher_pixels(views, colour), views.rgb.permute(0, 3, 1, 2))


def test_scaled_gradients_leave_values_alone():
    value = torch.randn(5, requires_grad=True)
    scaled = scale_gradient(value, 0.25)
    torch.testing.assert_close(scaled, value)
    scaled.sum().backward()
    torch.testing.assert_close(value.grad, torch.full((5,), 0.25))
