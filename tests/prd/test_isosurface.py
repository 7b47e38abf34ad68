"""The iso-surface against reference vectors, analytic solids and noise."""

import math

import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from prd.mesh import signed_volume
from prd.render.isosurface import Surface, extract_surface, guard_sign
from prd.render.mesh import grid_points


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.vertices.detach().numpy(), surface.faces.numpy(), process=False)


def assert_same_points(found: torch.Tensor, expected: torch.Tensor, atol: float) -> None:
    distance = torch.cdist(found.double(), expected.double())
    assert distance.amin(0).max() < atol and distance.amin(1).max() < atol


@pytest.mark.parametrize("deformed", [False, True])
@pytest.mark.parametrize("field", ["sphere", "torus", "random"])
def test_reference_vectors(golden, field, deformed):
    vectors = golden("render/isosurface")
    kind = "deformed" if deformed else "plain"
    surface = extract_surface(vectors[f"{field}.sdf"], vectors["deformation"] if deformed else None)
    assert_same_points(surface.vertices, vectors[f"{field}.{kind}.vertices"], atol=2e-5)
    mesh, expected = as_trimesh(surface), vectors.facts["results"][field][kind]["lorensen"]
    assert len(surface.vertices) == expected["vertices"]
    assert mesh.is_watertight and mesh.euler_number == expected["euler"]
    assert len(mesh.split()) == expected["components"]
    assert mesh.volume == pytest.approx(expected["signed_volume_of_outward_faces"], rel=1e-3)
    assert mesh.area == pytest.approx(expected["area"], rel=1e-3)


def test_surfaces_close_at_the_box(golden):
    vectors = golden("render/isosurface")
    surface = extract_surface(vectors["cut_by_box.sdf"])
    assert_same_points(surface.vertices, vectors["cut_by_box.plain.vertices"], atol=2e-5)
    assert as_trimesh(surface).is_watertight


@pytest.mark.parametrize("case", ["all_negative", "all_positive", "mixed"])
def test_fields_without_a_sign_change_are_bent(golden, case):
    vectors = golden("render/isosurface").group(f"guard.{case}.")
    sdf = vectors["sdf_in"].clone().requires_grad_()
    bent = guard_sign(sdf)
    torch.testing.assert_close(bent, vectors["sdf_out"], rtol=0, atol=1e-6)
    (bent * vectors["cotangent"]).sum().backward()
    torch.testing.assert_close(sdf.grad, vectors["grad_sdf_in"], rtol=0, atol=1e-5)
    assert len(extract_surface(bent.detach()).faces) > 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 9), st.floats(-1, 1))
def test_noise_gives_closed_outward_manifolds(seed, size, level):
    """Every ambiguous case turns up here: each edge has two faces, which run along it in opposite directions."""
    draws = torch.Generator().manual_seed(seed)
    sdf = torch.randn(size, size, size, generator=draws) + level
    surface = extract_surface(sdf, torch.rand(size, size, size, 3, generator=draws) * 0.4 - 0.2)
    if not bool((sdf < 0).any()):
        assert len(surface.faces) == 0
        return
    a, b, c = surface.faces.unbind(1)
    directed = torch.cat([torch.stack(pair, 1) for pair in ((a, b), (b, c), (c, a))])
    unique, counts = directed.unique(dim=0, return_counts=True)
    assert bool((counts == 1).all())
    assert torch.equal(unique, unique.flip(1).unique(dim=0))
    assert signed_volume(surface.vertices.double(), surface.faces) > 0
    assert torch.equal(surface.faces.unique(), torch.arange(len(surface.vertices)))


def test_no_surface_without_an_inside():
    assert len(extract_surface(torch.ones(5, 5, 5)).faces) == 0


def test_volume_and_its_gradient_follow_the_radius():
    radius = torch.tensor(0.6, requires_grad=True)
    grid = grid_points(48, torch.device("cpu"))
    surface = extract_surface(grid.norm(dim=-1) - radius)
    volume = signed_volume(surface.vertices, surface.faces)
    (gradient,) = torch.autograd.grad(volume, radius)
    assert volume.item() == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)
    assert gradient.item() == pytest.approx(4 * math.pi * 0.6**2, rel=0.01)
