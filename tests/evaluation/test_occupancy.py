"""The inside of a mesh, against closed forms."""

import pytest
import torch
import trimesh
from torch import Tensor

from evaluation.occupancy import grid, iou, occupancy
from prd.mesh import Mesh


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    vertices = torch.tensor(made.vertices, dtype=torch.float32)
    return Mesh(vertices, torch.tensor(made.faces), torch.zeros_like(vertices))


def joined(*meshes: Mesh) -> Mesh:
    faces, start = [], 0
    for mesh in meshes:
        faces.append(mesh.faces + start)
        start += len(mesh.vertices)
    vertices = torch.cat([mesh.vertices for mesh in meshes])
    return Mesh(vertices, torch.cat(faces), torch.zeros_like(vertices))


def turned(mesh: Mesh) -> Mesh:
    """Inside out."""
    return Mesh(mesh.vertices, mesh.faces.flip(1), mesh.colours)


def box(*extents: float) -> Mesh:
    return mesh_of(trimesh.creation.box(extents))


def in_box(*extents: float) -> Tensor:
    return (grid().abs() < torch.tensor(extents) / 2).all(-1)


def test_the_grid_has_a_point_in_every_cell_and_is_always_the_same() -> None:
    points = grid()
    cells = torch.stack(torch.meshgrid(*[torch.arange(48)] * 3, indexing="ij"), dim=-1)
    assert (((points + 1) * 24).floor() == cells).all()
    grid.cache_clear()
    assert (grid() == points).all()


def test_a_box_whose_faces_edges_and_diagonals_run_through_cell_centres() -> None:
    for extents in ((1.0, 0.5, 1.5), (1 / 24 * 21, 1 / 24 * 21, 1 / 24 * 21)):
        assert (occupancy(box(*extents)) == in_box(*extents)).all()


def test_a_fine_sphere() -> None:
    mesh = mesh_of(trimesh.creation.icosphere(subdivisions=5, radius=0.8))
    assert iou(occupancy(mesh), grid().norm(dim=-1) < 0.8) > 0.995


def test_a_tilted_torus() -> None:
    made = trimesh.creation.torus(0.6, 0.22, major_sections=128, minor_sections=64)
    turn = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3))
    made.apply_transform(turn)
    upright = grid() @ torch.tensor(turn[:3, :3])  # the inverse of a rotation is its transpose
    ring = upright[..., :2].norm(dim=-1) - 0.6
    assert iou(occupancy(mesh_of(made)), ring.square() + upright[..., 2].square() < 0.22**2) > 0.985


def test_overlapping_parts_are_one_and_holes_stay_holes() -> None:
    crossed = joined(box(1.6, 0.4, 0.4), box(0.4, 0.4, 1.6))
    assert (occupancy(crossed) == in_box(1.6, 0.4, 0.4) | in_box(0.4, 0.4, 1.6)).all()
    hollow = joined(box(1.6, 1.6, 1.6), turned(box(0.8, 0.8, 0.8)))
    assert (occupancy(hollow) == in_box(1.6, 1.6, 1.6) & ~in_box(0.8, 0.8, 0.8)).all()


def test_the_way_faces_look_does_not_matter() -> None:
    assert (occupancy(turned(box(1, 1, 1))) == in_box(1, 1, 1)).all()


def test_what_reaches_out_of_the_cube_is_cut_off() -> None:
    assert occupancy(box(9, 9, 9)).all()
    assert (occupancy(box(9, 0.5, 9)) == in_box(9, 0.5, 9)).all()
    far = box(1, 1, 1)
    assert not occupancy(Mesh(far.vertices + 5, far.faces, far.colours)).any()


def test_nothing_is_inside_of_nothing() -> None:
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3))
    nothing = occupancy(empty)
    assert not nothing.any() and iou(nothing, nothing) == 0


def test_iou_of_halves() -> None:
    left, lower = in_box(1, 1, 1), in_box(1, 1, 0.5)
    assert iou(left, lower) == pytest.approx(0.5, abs=0.01) and iou(left, left) == 1 and iou(left, ~left) == 0
