"""The mesh class and vertex normals."""

import math

import pytest
import torch
import trimesh

from prd.mesh import Mesh, signed_volume, vertex_normals, why_unusable


@pytest.fixture
def ball() -> Mesh:
    solid = trimesh.creation.icosphere(subdivisions=4, radius=0.7)
    vertices = torch.tensor(solid.vertices, dtype=torch.float32)
    return Mesh(vertices, torch.tensor(solid.faces), (vertices + 1) / 2)


def test_volume_is_positive_when_faces_look_outwards(ball):
    assert ball.volume == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.01)
    assert Mesh(ball.vertices, ball.faces.flip(1), ball.colours).volume == pytest.approx(-ball.volume)


def test_volume_does_not_depend_on_the_place_and_has_a_gradient(ball):
    moved = (ball.vertices.double() + 5.0).requires_grad_()
    volume = signed_volume(moved, ball.faces)
    assert volume.item() == pytest.approx(ball.volume, rel=1e-6)
    (gradient,) = torch.autograd.grad(volume, moved)
    growth = (gradient * ball.vertices).sum().item()  # along the radius: three times the volume, relative to it
    assert growth == pytest.approx(3 * ball.volume, rel=1e-6)


def test_normalised_is_centred_and_as_long_as_asked(ball):
    stretched = Mesh(ball.vertices * torch.tensor([1.0, 3.0, 0.5]) + 2.0, ball.faces, ball.colours)
    low, high = stretched.normalised(1.8).bounds
    torch.testing.assert_close(low, -high)
    torch.testing.assert_close((high - low), torch.tensor([0.6, 1.8, 0.3]))


def test_a_mesh_without_faces_is_empty_and_harmless():
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))
    assert empty.is_empty and empty.volume == 0.0
    assert torch.equal(empty.bounds, torch.zeros(2, 3))
    assert empty.normalised(2.0).is_empty


def test_trimesh_gets_the_same_mesh(ball):
    theirs = ball.to_trimesh()
    assert theirs.is_watertight and theirs.volume == pytest.approx(ball.volume, rel=1e-5)
    expected = (ball.colours * 255).round().byte().numpy()
    assert (theirs.visual.vertex_colors[:, :3] == expected).all()


def test_normals_of_a_ball_point_away_from_its_centre(ball):
    normals = vertex_normals(ball.vertices, ball.faces)
    torch.testing.assert_close(normals, ball.vertices / 0.7, atol=0.01, rtol=0.0)


def test_normals_are_weighted_by_area():
    """At the corner of two faces, the larger one decides more: 3 to 1 here."""
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 1]])
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    torch.testing.assert_close(normals[0], torch.tensor([1.0, 0.0, 3.0]) / 10**0.5)


def test_normals_without_area_point_up_and_pass_no_broken_gradient():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]], requires_grad=True)
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2]]))
    assert torch.equal(normals.detach(), torch.tensor([0.0, 0.0, 1.0]).expand(4, 3))
    normals.sum().backward()
    assert vertices.grad is not None and not vertices.grad.any()


@pytest.mark.parametrize(
    ("vertices", "faces", "reason"),
    [
        (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), "empty"),
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), "no extent"),
        (torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]), "not finite"),
    ],
)
def test_an_unusable_mesh_is_named_as_such(vertices, faces, reason):
    assert reason in why_unusable(Mesh(vertices, faces, torch.zeros(len(vertices), 3)))


def test_a_usable_mesh_is_usable(ball):
    assert why_unusable(ball) == ""
