"""What is done to meshes before people get them: floaters dropped, faces reduced, pictures from all around."""

import av
import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from infra.errors import InputError
from prd.cleanup import without_floaters
from prd.decimate import decimated
from prd.mesh import Mesh
from prd.render.isosurface import extract_surface
from prd.render.mesh import grid_points
from prd.turntable import turn, write_turntable

GRID = grid_points(40, torch.device("cpu"))


def colour_at(points: torch.Tensor) -> torch.Tensor:
    """Colour by place: red grows with x, green with y, blue with z."""
    return (points * 0.5 + 0.5).clamp(0, 1)


def mesh_of(sdf: torch.Tensor) -> Mesh:
    surface = extract_surface(sdf)
    return Mesh(surface.vertices, surface.faces, colour_at(surface.vertices))


def ball(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> torch.Tensor:
    return (GRID - torch.tensor(centre)).norm(dim=-1) - radius


def test_small_pieces_go_and_large_ones_stay():
    whole = mesh_of(torch.stack([ball(0.5), ball(0.1, (0.8, 0.8, 0.8)), ball(0.3, (-0.7, -0.7, -0.7))]).amin(0))
    cleaned, dropped = without_floaters(whole)
    assert dropped == 1
    assert cleaned.to_trimesh().is_watertight and cleaned.to_trimesh().body_count == 2
    assert torch.equal(cleaned.colours, colour_at(cleaned.vertices)), "colours stay with their vertices"
    assert cleaned.vertices.amax() < 0.6 and cleaned.vertices.amin() < -0.9
    alone, dropped = without_floaters(whole, smallest_share=0.9)
    assert dropped == 2 and alone.vertices.abs().amax() < 0.51


def test_what_is_whole_stays_as_it_is():
    whole = mesh_of(ball(0.5))
    assert without_floaters(whole) == (whole, 0)
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))
    assert without_floaters(empty) == (empty, 0)


SOLIDS = {
    "ball": ball(0.7),
    "torus": ((GRID[..., :2].norm(dim=-1) - 0.6).square() + GRID[..., 2].square()).sqrt() - 0.25,
    "cube": GRID.abs().amax(-1) - 0.5,  # faces along the grid: needles and slivers
}


@pytest.mark.parametrize("solid", SOLIDS)
@pytest.mark.parametrize("faces", [1000, 200])
def test_fewer_faces_hold_the_shape(solid, faces):
    fine = mesh_of(SOLIDS[solid])
    coarse = decimated(fine, faces, colour_at)
    assert 0.9 * faces <= len(coarse.faces) <= faces < len(fine.faces)
    assert coarse.volume == pytest.approx(fine.volume, rel=0.06)
    assert torch.equal(coarse.colours, colour_at(coarse.vertices)), "looked up anew"
    theirs = coarse.to_trimesh()
    assert theirs.is_watertight and theirs.is_winding_consistent and theirs.area_faces.min() > 1e-12


def test_few_enough_faces_are_left_alone():
    whole = mesh_of(ball(0.5))
    assert decimated(whole, len(whole.faces), colour_at) is whole


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([4, 20, 100, 500]))
def test_whatever_the_mesh_the_result_is_valid(seed, faces):
    """Noise has all that is hard: many pieces, tunnels, edges that touch."""
    draws = torch.Generator().manual_seed(seed)
    fine = mesh_of(torch.randn(8, 8, 8, generator=draws) + 0.5)
    coarse = decimated(fine, faces, colour_at)
    assert 4 <= len(coarse.faces) <= len(fine.faces)
    assert coarse.vertices.isfinite().all() and coarse.volume > 0.1 * fine.volume
    assert torch.equal(coarse.faces.unique(), torch.arange(len(coarse.vertices)))
    edges = torch.cat([coarse.faces[:, [0, 1]], coarse.faces[:, [1, 2]], coarse.faces[:, [2, 0]]]).tolist()
    assert sorted(edges) == sorted([b, a] for a, b in edges), "closed"
    if coarse is not fine:
        assert coarse.to_trimesh().area_faces.min() > 1e-13


def half_and_half() -> Mesh:
    """A ball whose front is red, whose left (+y, on the right as seen from the front) is green, both before blue."""
    whole = mesh_of(ball(0.5))
    colours = torch.zeros_like(whole.vertices)
    x, y = whole.vertices[:, 0], whole.vertices[:, 1]
    colours[:, 0], colours[:, 1] = (x > y.abs()).float(), (y > x.abs()).float()
    colours[:, 2] = 1 - colours.sum(-1)
    return Mesh(whole.vertices, whole.faces, colours)


def test_a_turn_begins_at_the_front_and_goes_on_to_the_left():
    views = turn(half_and_half(), 4, 48)
    centre = [view[26, 24].tolist() for view in views]
    assert centre == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 255]]
    assert views[0, 0, 0].tolist() == [255, 255, 255]


def test_a_sheet_shows_all_sides(tmp_path):
    write_turntable(half_and_half(), tmp_path / "sheet.png")
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert picture.shape == (256, 8 * 256, 3)
    assert picture[140, 128].tolist() == [255, 0, 0] and picture[140, 128 + 2 * 256].tolist() == [0, 255, 0]


def test_a_gif_turns_for_ever(tmp_path):
    write_turntable(half_and_half(), tmp_path / "turn.gif")
    with Image.open(tmp_path / "turn.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (36, (256, 256), 0)
        film.seek(9)
        red, green, blue = film.convert("RGB").getpixel((128, 140))
    assert green > 200 > 100 > max(red, blue)


def test_a_film_plays(tmp_path):
    write_turntable(half_and_half(), tmp_path / "turn.mp4")
    with av.open(str(tmp_path / "turn.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert len(frames) == 36 and frames[0].shape == (256, 256, 3)
    red, green, blue = frames[9][140, 128].tolist()
    assert green > 200 > 100 > max(red, blue)


def test_another_kind_of_turntable_is_refused(tmp_path):
    with pytest.raises(InputError, match="png, gif, mp4"):
        write_turntable(half_and_half(), tmp_path / "turn.webm")


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (0.2, 0.2, 2.0)])
def test_nothing_is_cut_off_as_it_turns(size):
    box = trimesh.creation.box(size)
    vertices, faces = torch.tensor(box.vertices).float(), torch.tensor(box.faces).long()
    views = turn(Mesh(vertices, faces, torch.zeros_like(vertices)), 8, 64)
    assert (views < 128).flatten(1).any(1).all()
    for border in (views[:, 0], views[:, -1], views[:, :, 0], views[:, :, -1]):
        assert (border == 255).all()
