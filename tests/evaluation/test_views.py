"""Where evaluation looks from, seen on a box with one colour a face."""

import torch

from evaluation.config import ViewsConfig
from evaluation.views import render_views
from prd.mesh import Mesh

SMALL = ViewsConfig(resolution=96)
RED, GREEN, BLUE, YELLOW, BLACK, WHITE = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 0, 0),
    (255, 255, 255),
)


def at(picture: torch.Tensor, row: float, column: float) -> tuple[int, ...]:
    size = len(picture)
    return tuple(picture[int(row * size), int(column * size)].tolist())


def test_each_azimuth_sees_its_face(make_box) -> None:
    colour = render_views(make_box(), SMALL).colour
    assert colour.shape == (4, 96, 96, 3) and colour.dtype == torch.uint8
    assert [at(picture, 0.55, 0.5) for picture in colour] == [RED, GREEN, BLUE, YELLOW]


def test_the_background_is_plain_white_and_colours_are_unlit(make_box) -> None:
    picture = render_views(make_box(), SMALL).colour[0]
    assert at(picture, 0, 0) == at(picture, 0.99, 0.99) == WHITE
    inside = picture[50:60, 40:56].reshape(-1, 3)
    assert (inside == torch.tensor(RED, dtype=torch.uint8)).all()


def test_the_camera_is_above(make_box) -> None:
    picture = render_views(make_box(bottom=(1.0, 0.0, 1.0), sides=(1, 1, 0.4)), SMALL).colour[0].reshape(-1, 3)
    assert (picture == torch.tensor(BLACK, dtype=torch.uint8)).all(1).any(), "the top is seen"
    assert not (picture == torch.tensor((255, 0, 255), dtype=torch.uint8)).all(1).any(), "the bottom is not"


def test_the_front_view_is_not_mirrored() -> None:
    """A wall that faces +x, green on the side of +y and blue on that of -y: green is on the right."""
    vertices = torch.tensor([[0.0, y, z] for y in (-1.0, 0.0, 1.0) for z in (-1.0, 1.0)]).repeat(2, 1)
    faces = torch.tensor([[0, 2, 3], [0, 3, 1], [8, 10, 11], [8, 11, 9]])
    colours = torch.tensor([[0.0, 0.0, 1.0]] * 6 + [[0.0, 1.0, 0.0]] * 6)
    picture = render_views(Mesh(vertices, faces, colours), SMALL).colour[0]
    assert at(picture, 0.5, 0.3) == BLUE
    assert at(picture, 0.5, 0.7) == GREEN


def test_every_mesh_is_shown_at_the_same_size_and_place(make_box) -> None:
    here = make_box()
    far_and_small = Mesh(here.vertices * 0.01 + 7.0, here.faces, here.colours)
    difference = render_views(here, SMALL).colour.int() - render_views(far_and_small, SMALL).colour.int()
    assert (difference.abs() > 2).any(-1).float().mean() < 0.01


def test_the_shape_is_grey_and_shaded(make_box) -> None:
    shape = render_views(make_box(sides=(1, 1, 0.4)), SMALL).shape
    assert (shape[..., 0] == shape[..., 1]).all() and (shape[..., 1] == shape[..., 2]).all()
    front, top = int(shape[50, 48, 0]), int(shape[:, 48, 0].min())
    assert top < 150 < front < 255, "what faces the camera is brighter"
