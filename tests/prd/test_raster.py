"""Coverage, interpolation and silhouettes against analytic answers, and both rasterisers against each other."""

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from torch import Tensor

from prd.mesh import vertex_normals
from prd.render import raster_torch
from prd.render.raster import Raster, backend_report, rasterizer_for
from prd.render.raster_torch import TorchRasterizer
from teachers.cameras import Cameras, orbit

RASTERIZER = TorchRasterizer()


def project(vertices: Tensor, cameras: Cameras, size: int) -> Tensor:  # [N, 3] -> [V, N, 4]
    homogeneous = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=-1)
    return homogeneous @ cameras.mvp(size, size).to(vertices).mT


def on_screen(pixels: Tensor, size: int, depth: Tensor | float = 0.0, w: Tensor | float = 1.0) -> Tensor:
    """Clip-space positions `[1, N, 4]` of points `[N, 2]` given in pixels."""
    ndc = pixels * (2 / size) - 1
    depth, w = (torch.as_tensor(value).to(pixels).expand(len(pixels)) for value in (depth, w))
    return torch.stack([ndc[:, 0] * w, ndc[:, 1] * w, depth * w, w], dim=-1).unsqueeze(0)


def sphere(subdivisions: int, radius: float = 0.6) -> tuple[Tensor, Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return torch.tensor(mesh.vertices, dtype=torch.float32), torch.tensor(mesh.faces)


def smooth_mask(raster: Raster, clip: Tensor, faces: Tensor) -> Tensor:  # [V, H, W]
    mask = raster.covered.unsqueeze(-1).to(clip.dtype)
    return RASTERIZER.antialias(mask, raster, clip, faces).squeeze(-1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_nearest_triangle_is_the_one_brute_force_finds(seed, count):
    size = 24
    draws = np.random.default_rng(seed)
    corners = draws.integers(-6 * 256, (size + 6) * 256, (count, 3, 2)) / 256  # where snapping leaves them
    depth, w = draws.uniform(-0.9, 0.9, (count, 3)), draws.uniform(0.5, 3.0, (count, 3))
    flat = torch.tensor(corners).reshape(-1, 2)
    clip = on_screen(flat, size, torch.tensor(depth).reshape(-1), torch.tensor(w).reshape(-1)).float()
    raster = RASTERIZER.rasterize(clip, torch.arange(count * 3).reshape(-1, 3), size, size)

    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    depths = np.full((count + 1, size, size), np.inf)
    on_edge = np.zeros((size, size), dtype=bool)
    for face, (a, b, c) in enumerate(corners):
        weights = np.stack(
            [(q - p)[0] * (y - p[1]) - (q - p)[1] * (x - p[0]) for p, q in ((b, c), (c, a), (a, b))]
        )  # [3, H, W]
        on_edge |= (weights == 0).any(0)
        inside = (weights > 0).all(0) | (weights < 0).all(0)
        depths[face, inside] = np.einsum("cn,c->n", weights[:, inside] / weights[:, inside].sum(0), depth[face])
    nearest, second = np.sort(depths, axis=0)[:2]
    shown = np.where(np.isfinite(nearest), depths.argmin(0) + 1, 0)
    decided = ~on_edge & (second >= nearest + 1e-5)
    assert decided.mean() > 0.9
    assert (raster.triangle[0].numpy() == shown)[decided].all()
    covered = decided & (shown > 0)
    np.testing.assert_allclose(raster.depth[0].numpy()[covered], nearest[covered], atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), spacing=st.sampled_from([0.5, 1.0, 1.7, 3.0]))
def test_neighbouring_triangles_share_no_pixel_and_leave_none_out(seed, spacing):
    """On the widest grid half of the vertices sit on pixel centres, so that many edges run through them."""
    draws = torch.Generator().manual_seed(seed)
    cells, size = 6, 24
    rows, columns = torch.meshgrid(torch.arange(cells + 1), torch.arange(cells + 1), indexing="ij")
    points = torch.stack([columns, rows], dim=-1).reshape(-1, 2) * spacing + 2
    moved = points + (torch.rand(points.shape, generator=draws) - 0.5) * 0.4 * spacing
    border = ((rows % cells == 0) | (columns % cells == 0)).reshape(-1, 1)
    centred = torch.rand(len(points), 1, generator=draws) < 0.5
    points = torch.where(border, points, torch.where(centred, points.floor() + 0.5, moved))
    first = (rows * (cells + 1) + columns)[:-1, :-1].reshape(-1)
    around = torch.stack([first, first + 1, first + cells + 2, first + cells + 1], dim=-1)
    faces = torch.cat([around[:, [0, 1, 2]], around[:, [0, 2, 3]]])
    if spacing < 3.0:  # where centring could fold a cell over
        points = torch.where(border, points, moved)

    clip = on_screen(points, size)
    times = torch.zeros(size, size, dtype=torch.int64)
    for face in faces:
        face = face.flip(0) if torch.rand((), generator=draws) < 0.5 else face
        times += RASTERIZER.rasterize(clip, face.unsqueeze(0), size, size).covered[0]
    centres = torch.arange(size) + 0.5
    within = (centres >= 2) & (centres < 2 + cells * spacing)
    assert torch.equal(times, (within[:, None] & within[None, :]).long())


def test_of_equal_depths_the_first_triangle_is_shown():
    clip = on_screen(torch.tensor([[1.0, 1.0], [15.0, 1.0], [8.0, 15.0]]), 16)
    raster = RASTERIZER.rasterize(clip, torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]]), 16, 16)
    assert raster.triangle.unique().tolist() == [0, 1]


def test_positions_on_a_slanted_plane_are_where_the_rays_meet_it():
    size = 32
    cameras = orbit(torch.tensor([20.0, 75.0]), 15.0, 1.6, 60.0)
    normal, level = torch.tensor([0.8, 0.5, 0.33]), 0.1
    across = torch.linalg.cross(normal, torch.tensor([0.0, 0.0, 1.0]))
    up = torch.linalg.cross(normal, across)
    middle = normal * level / normal.square().sum()
    vertices = torch.stack([middle + 1.5 * u * across + 1.5 * v * up for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    raster = RASTERIZER.rasterize(project(vertices, cameras, size), faces, size, size)
    found = RASTERIZER.interpolate(vertices, raster, faces)

    origins, directions = cameras.rays(size, size)
    distance = (level - origins @ normal) / (directions @ normal)
    expected = origins + distance.unsqueeze(-1) * directions
    assert raster.covered.float().mean() > 0.3
    torch.testing.assert_close(found[raster.covered], expected[raster.covered], atol=2e-5, rtol=0.0)
    assert not found[~raster.covered].any()


def test_attributes_may_differ_between_views():
    vertices, faces = sphere(1)
    clip = project(vertices, orbit(torch.tensor([0.0, 90.0]), 10.0, 2.0, 60.0), 16)
    raster = RASTERIZER.rasterize(clip, faces, 16, 16)
    both = torch.stack([vertices, vertices * 2])
    shared = RASTERIZER.interpolate(vertices, raster, faces)
    torch.testing.assert_close(RASTERIZER.interpolate(both, raster, faces), torch.stack([shared[0], shared[1] * 2]))


@pytest.fixture
def pyramids() -> tuple[Tensor, Tensor]:
    """Two crossing fans of triangles seen in perspective, in double precision: `[2, 10, 4]`, `[8, 3]`."""
    draws = torch.Generator().manual_seed(3)
    angle = torch.arange(4) * torch.pi / 2 + 0.3
    ring = torch.stack([angle.cos(), angle.sin(), torch.zeros(4)], dim=-1) * 0.5
    fan = torch.cat([torch.tensor([[0.0, 0.0, 0.4]]), ring])
    vertices = torch.cat([fan, fan.roll(1, dims=1) * 0.8 + 0.1])
    vertices = (vertices + torch.randn(vertices.shape, generator=draws) * 0.02).double()
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    return project(vertices, orbit(torch.tensor([30.0, 200.0]), 35.0, 1.8, 50.0), 12), torch.cat([faces, faces + 5])


def test_interpolation_has_the_right_gradients(pyramids):
    clip, faces = pyramids
    colours = torch.rand(10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))

    def picture(clip: Tensor, colours: Tensor) -> Tensor:
        return RASTERIZER.interpolate(colours, RASTERIZER.rasterize(clip, faces, 12, 12), faces)

    assert torch.autograd.gradcheck(picture, (clip.requires_grad_(), colours.requires_grad_()), atol=1e-6)


def test_antialiasing_has_the_right_gradients(pyramids):
    clip, faces = pyramids
    raster = RASTERIZER.rasterize(clip, faces, 12, 12)
    image = torch.rand(2, 12, 12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    assert not torch.equal(RASTERIZER.antialias(image, raster, clip, faces), image)
    assert torch.autograd.gradcheck(
        lambda image, clip: RASTERIZER.antialias(image, raster, clip, faces),
        (image.requires_grad_(), clip.requires_grad_()),
        atol=1e-6,
    )


@pytest.mark.parametrize("subdivisions", [0, 2, 4, 5])
@pytest.mark.parametrize("size", [48, 128])
def test_the_area_of_an_outline_and_its_gradient_follow_the_scale(subdivisions, size):
    """From triangles of many pixels to many triangles a pixel. A convex solid's outline is a hull, known exactly."""
    vertices, faces = sphere(subdivisions)
    cameras = orbit(torch.tensor([10.0]), 25.0, 2.0, 60.0)

    def exact(scale: float) -> float:
        clip = project(vertices.double() * scale, cameras, size)[0]
        return float(ConvexHull((clip[:, :2] / clip[:, 3:]).numpy()).volume) / 4  # in two dimensions, the area

    scale = torch.tensor(1.0, requires_grad=True)
    clip = project(vertices * scale, cameras, size)
    raster = RASTERIZER.rasterize(clip, faces, size, size)
    assert not raster.covered.float().requires_grad  # without antialiasing the outline tells nothing
    area = smooth_mask(raster, clip, faces).mean()
    area.backward()
    assert area.item() == pytest.approx(exact(1.0), rel=0.005)
    assert scale.grad.item() == pytest.approx((exact(1.001) - exact(0.999)) / 0.002, rel=0.04)


def test_an_outline_in_front_of_another_surface_moves_it_too():
    """A bright tilted square before a dark one that fills the picture: the mean follows the bright square's area."""
    size, turn = 64, torch.tensor(0.35)
    rotation = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    square = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    half_side = torch.tensor(17.3, requires_grad=True)
    front = on_screen(square @ rotation.T * half_side + 31.2, size, 0.1, 2.0)
    clip = torch.cat([front, on_screen(square * 100 + 32, size, 0.5)], dim=1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    brightness = torch.tensor([0.9] * 4 + [0.2] * 4).unsqueeze(-1)
    raster = RASTERIZER.rasterize(clip, faces, size, size)
    image = RASTERIZER.antialias(RASTERIZER.interpolate(brightness, raster, faces), raster, clip, faces)
    total = image.sum()
    (gradient,) = torch.autograd.grad(total, half_side)
    assert total.item() == pytest.approx(0.2 * size**2 + 0.7 * 4 * 17.3**2, rel=0.002)
    assert gradient.item() == pytest.approx(0.7 * 8 * 17.3, rel=0.03)


def test_hidden_outlines_leave_no_trace():
    vertices, faces = sphere(3)
    both = torch.cat([vertices, vertices * 0.4])
    cameras = orbit(torch.tensor([50.0]), 20.0, 2.0, 60.0)
    alone, hiding = (project(points, cameras, 64) for points in (vertices, both))
    all_faces = torch.cat([faces, faces + len(vertices)])
    raster = RASTERIZER.rasterize(hiding, all_faces, 64, 64)
    image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(6))
    expected = RASTERIZER.antialias(image, raster, alone, faces)
    assert torch.equal(RASTERIZER.antialias(image, raster, hiding, all_faces), expected)


def test_winding_does_not_matter_to_outlines():
    """Meshes from elsewhere may have faces inside out."""
    vertices, faces = sphere(3)
    clip = project(vertices, orbit(torch.tensor([50.0]), 20.0, 2.0, 60.0), 64)
    some = torch.rand(len(faces), 1, generator=torch.Generator().manual_seed(7)) < 0.3
    raster = RASTERIZER.rasterize(clip, faces, 64, 64)
    mixed = torch.where(some, faces.flip(1), faces)
    torch.testing.assert_close(
        smooth_mask(RASTERIZER.rasterize(clip, mixed, 64, 64), clip, mixed), smooth_mask(raster, clip, faces)
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 60), size=st.sampled_from([1, 2, 16]))
def test_antialiasing_stays_within_the_range_of_colours(seed, count, size):
    """Also around specks and in pictures of a pixel or two."""
    draws = torch.Generator().manual_seed(seed)
    middle = torch.rand(count, 1, 2, generator=draws) * size
    corners = (middle + torch.randn(count, 3, 2, generator=draws)).reshape(-1, 2)
    clip = on_screen(corners, size, torch.rand(count * 3, generator=draws))
    faces = torch.arange(count * 3).reshape(-1, 3)
    raster = RASTERIZER.rasterize(clip, faces, size, size)
    image = torch.rand(1, size, size, 3, generator=draws)
    smooth = RASTERIZER.antialias(image, raster, clip, faces)
    assert smooth.min() >= image.min() - 1e-6 and smooth.max() <= image.max() + 1e-6


def test_what_is_behind_the_camera_or_not_a_number_is_left_out():
    corners = torch.tensor([[2.0, 2.0], [14.0, 2.0], [8.0, 14.0]]).repeat(5, 1)
    clip = on_screen(corners, 16, depth=torch.tensor([0.0, 0.0, 0.0, 1.5, -1.5]).repeat_interleave(3))
    clip[0, 0, 3] = -1.0
    clip[0, 3, 0] = torch.nan
    faces = torch.arange(15).reshape(-1, 3)
    raster = RASTERIZER.rasterize(clip, faces, 16, 16)
    assert raster.triangle.unique().tolist() == [0, 3]  # the others are behind, broken, too far and too near
    assert smooth_mask(raster, clip, faces).isfinite().all()


def test_surfaces_that_cross_change_over_where_their_depths_are_equal():
    square = torch.tensor([[0.0, 0.0], [32.0, 0.0], [32.0, 32.0], [0.0, 32.0]])
    slope = (square[:, 0] - 20.0) / 100
    clip = torch.cat([on_screen(square, 32), on_screen(square, 32, slope)], dim=1)
    raster = RASTERIZER.rasterize(clip, torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]), 32, 32)
    assert (raster.triangle[..., :20] > 2).all() and (raster.triangle[..., 20:] <= 2).all()


def test_near_and_far_planes_cut_pixel_by_pixel():
    square = torch.tensor([[0.0, 0.0], [32.0, 0.0], [32.0, 32.0], [0.0, 32.0]])
    clip = on_screen(square, 32, square[:, 0] / 8 - 2)  # depth -2 at the left border, 2 at the right one
    covered = RASTERIZER.rasterize(clip, torch.tensor([[0, 1, 2], [0, 2, 3]]), 32, 32).covered
    assert covered[..., 8:24].all() and not covered[..., :8].any() and not covered[..., 24:].any()


def test_a_corner_a_million_pixels_away_does_not_blur_the_edges():
    points = torch.tensor([[8.0, 8.0], [1e6, 8.0], [8.0, 1e6]], dtype=torch.float64)
    covered = RASTERIZER.rasterize(on_screen(points, 32), torch.tensor([[0, 1, 2]]), 32, 32).covered[0]
    assert covered[8:, 8:].all() and covered.sum() == 24 * 24


_TRIANGLE = torch.tensor([[-0.5, -0.5, 0.0, 1.0], [0.5, -0.5, 0.0, 1.0], [0.0, 0.5, 0.0, 1.0]])
_USELESS = {  # [3, 4] in clip space
    "point": _TRIANGLE[[0, 0, 0]],
    "two equal corners": _TRIANGLE[[0, 1, 1]],
    "corners in line": torch.stack([_TRIANGLE[0], (_TRIANGLE[0] + _TRIANGLE[1]) / 2, _TRIANGLE[1]]),
    "beside the image": _TRIANGLE + torch.tensor([5.0, 0.0, 0.0, 0.0]),
    "behind the camera": _TRIANGLE * torch.tensor([1.0, 1.0, 1.0, -1.0]),
    "one corner behind": torch.cat([_TRIANGLE[:2], _TRIANGLE[2:] * torch.tensor([1.0, 1.0, 1.0, -1.0])]),
    "one corner at the camera": torch.cat([_TRIANGLE[:2], _TRIANGLE[2:] * torch.tensor([1.0, 1.0, 1.0, 0.0])]),
    "not a number": torch.cat([_TRIANGLE[:2], torch.full((1, 4), torch.nan)]),
    "endless": torch.cat([_TRIANGLE[:2], torch.tensor([[torch.inf, 0.0, 0.0, 1.0]])]),
}


@pytest.mark.parametrize("kind", _USELESS)
def test_useless_triangles_change_neither_the_picture_nor_its_gradients(kind):
    def picture(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        clip = vertices.unsqueeze(0).clone().requires_grad_()
        raster = RASTERIZER.rasterize(clip, faces, 20, 20)
        ramp = torch.arange(len(vertices)).float().unsqueeze(-1) % 3
        image = RASTERIZER.antialias(RASTERIZER.interpolate(ramp, raster, faces), raster, clip, faces)
        (gradient,) = torch.autograd.grad(image.square().sum(), clip)
        return image.detach(), gradient[0]

    useful, face = _TRIANGLE * 1.7 + torch.tensor([0.03, -0.05, 0.4, 0.0]), torch.arange(3).unsqueeze(0)
    expected, gradient = picture(useful, face)
    found, both = picture(torch.cat([useful, _USELESS[kind]]), torch.cat([face + 3, face]))
    assert expected.any() and gradient.any()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(both, torch.cat([gradient, torch.zeros(3, 4)]))


def test_shares_are_the_covered_parts_of_pixels():
    """An upright rectangle from (10.3, 5.2) to (20.6, 12.9): away from its corners exactly, in rows and columns."""
    points = torch.tensor([[10.3, 5.2], [20.6, 5.2], [20.6, 12.9], [10.3, 12.9]])
    clip, faces = on_screen(points, 24), torch.tensor([[0, 1, 2], [0, 2, 3]])
    mask = smooth_mask(RASTERIZER.rasterize(clip, faces, 24, 24), clip, faces)[0]
    borders = torch.arange(25.0)
    torch.testing.assert_close(mask[8], borders.clamp(10.3, 20.6).diff(), rtol=0, atol=1e-5)
    torch.testing.assert_close(mask[:, 15], borders.clamp(5.2, 12.9).diff(), rtol=0, atol=1e-5)


def rectangles(size: int, *sides: tuple[float, float, float, float, float]) -> tuple[Tensor, Tensor]:
    """Clip-space positions and faces of upright rectangles: left, top, right, bottom in pixels, and depth."""
    points = [[[left, top], [right, top], [right, bottom], [left, bottom]] for left, top, right, bottom, _ in sides]
    depth = torch.tensor([side[4] for side in sides]).repeat_interleave(4)
    first = torch.arange(len(sides)).unsqueeze(1) * 4
    faces = torch.cat([first + torch.tensor([0, 1, 2]), first + torch.tensor([0, 2, 3])])
    return on_screen(torch.tensor(points).reshape(-1, 2), size, depth), faces


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_of_two_outlines_in_one_gap_the_outer_one_counts(axis, mirrored):
    """Behind a rectangle up to 10.6 another looks out up to 11.2, so that no pixel centre tells them apart."""
    clip, faces = rectangles(24, (4.3, -9, 10.6, 99, 0.1), (5.0, -9, 11.2, 99, 0.2))
    clip = clip.clone()
    if mirrored:
        clip[..., 0] *= -1
    if axis == 1:
        clip[..., :2] = clip[..., :2].flip(-1)
    mask = smooth_mask(RASTERIZER.rasterize(clip, faces, 24, 24), clip, faces)[0]
    row = mask[:, 12] if axis == 1 else mask[12]
    expected = torch.arange(25.0).clamp(4.3, 11.2).diff()
    torch.testing.assert_close(row.flip(0) if mirrored else row, expected, rtol=0, atol=1e-5)


def test_a_strip_that_no_pixel_centre_hits_moves_the_outline_but_opens_no_gap():
    """It hangs over the outline of what is behind it; its inner border must not blend the background in."""
    clip, faces = rectangles(24, (11.1, -9, 99, 99, 0.5), (10.8, -9, 11.3, 99, 0.1))
    raster = RASTERIZER.rasterize(clip, faces, 24, 24)
    assert raster.triangle.unique().tolist() == [0, 1, 3]  # of the rectangle behind alone
    expected = torch.arange(25.0).clamp(10.8, 24).diff().expand(24, 24)
    torch.testing.assert_close(smooth_mask(raster, clip, faces)[0], expected, rtol=0, atol=1e-5)


def test_a_speck_smaller_than_its_pixel_is_not_blended_below_nothing():
    clip, faces = rectangles(8, (4.4, 4.4, 4.6, 4.6, 0.0))
    raster = RASTERIZER.rasterize(clip, faces, 8, 8)
    assert raster.covered.sum() == 1
    mask = smooth_mask(raster, clip, faces)
    assert mask.min() >= 0 and mask.max() < 0.25


@pytest.mark.parametrize("inside_out", [False, True])
def test_faces_seen_edge_on_do_not_hide_outlines(inside_out):
    """A box looked at straight on: four of its sides have no area on the screen."""
    points = torch.cartesian_prod(torch.tensor([8.3, 15.2]), torch.tensor([6.4, 17.7]), torch.tensor([0.1, 0.3]))
    box = trimesh.creation.box()
    order = [int((points.sub(points.mean(0)).sign() == torch.tensor(v).sign()).all(1).nonzero()) for v in box.vertices]
    faces = torch.tensor(order)[torch.tensor(box.faces)]
    clip = on_screen(points[:, :2], 24, points[:, 2])
    for turn in range(len(faces)):  # whichever face comes first
        some = faces.roll(turn, 0)
        some = some.flip(1) if inside_out else some
        mask = smooth_mask(RASTERIZER.rasterize(clip, some, 24, 24), clip, some)[0]
        torch.testing.assert_close(mask[12], torch.arange(25.0).clamp(8.3, 15.2).diff(), rtol=0, atol=1e-5)
        torch.testing.assert_close(mask[:, 12], torch.arange(25.0).clamp(6.4, 17.7).diff(), rtol=0, atol=1e-5)


def test_edges_within_a_surface_do_not_blend():
    """Noise stays as it is on an uneven sheet of triangles that fills the picture."""
    draws = torch.Generator().manual_seed(8)
    axis = torch.linspace(-2.0, 34.0, 8)
    points = torch.cartesian_prod(axis, axis) + torch.rand(64, 2, generator=draws)
    first = (torch.arange(7).unsqueeze(1) * 8 + torch.arange(7)).reshape(-1)
    around = torch.stack([first, first + 1, first + 9, first + 8], dim=-1)
    faces = torch.cat([around[:, [0, 1, 2]], around[:, [0, 2, 3]]])
    clip = on_screen(points, 32, torch.rand(64, generator=draws) * 0.2)
    raster = RASTERIZER.rasterize(clip, faces, 32, 32)
    image = torch.rand(1, 32, 32, 3, generator=draws)
    assert raster.covered.all() and len(raster.triangle.unique()) > 50
    assert torch.equal(RASTERIZER.antialias(image, raster, clip, faces), image)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_of_the_outline_shifts_the_picture(axis):
    """The mask's first moment moves by its area: both sides of an outline pull, in opposite ways."""
    vertices, faces = sphere(2)
    clip = project(vertices, orbit(torch.tensor([0.0]), 20.0, 2.0, 60.0), 64)
    shift = torch.zeros(2, requires_grad=True)
    moved = torch.cat([clip[..., :2] + shift * (2 / 64) * clip[..., 3:], clip[..., 2:]], dim=-1)
    mask = smooth_mask(RASTERIZER.rasterize(moved, faces, 64, 64), moved, faces)[0]
    moment = (mask.sum(dim=axis) * torch.arange(64)).sum()  # axis 0 is x, which runs along the columns
    (slope,) = torch.autograd.grad(moment, shift)
    area = mask.sum().item()
    assert slope[axis].item() == pytest.approx(area, rel=0.03)
    assert slope[1 - axis].item() == pytest.approx(0, abs=0.03 * area)


def test_nothing_to_draw_gives_an_empty_picture():
    clip, faces = torch.zeros(2, 0, 4), torch.zeros(0, 3, dtype=torch.int64)
    raster = RASTERIZER.rasterize(clip, faces, 5, 7)
    assert raster.triangle.shape == (2, 5, 7) and not raster.covered.any()
    image = RASTERIZER.interpolate(torch.zeros(0, 3), raster, faces)
    assert torch.equal(RASTERIZER.antialias(image, raster, clip, faces), torch.zeros(2, 5, 7, 3))


def picture_and_gradient(device: torch.device, rasterizer, subdivisions: int = 3) -> tuple[Raster, Tensor, Tensor]:
    vertices, faces = (tensor.to(device) for tensor in sphere(subdivisions))
    cameras = orbit(torch.tensor([0.0, 100.0]), 20.0, 2.0, 60.0).to(device)
    vertices.requires_grad_()
    clip = project(vertices, cameras, 96)
    raster = rasterizer.rasterize(clip, faces, 96, 96)
    image = rasterizer.interpolate(torch.cat([vertices, vertex_normals(vertices, faces)], dim=-1), raster, faces)
    image = rasterizer.antialias(image, raster, clip, faces)
    ramp = torch.linspace(0, 1, image.numel(), device=device).reshape(image.shape)
    (gradient,) = torch.autograd.grad((image * ramp).sum(), vertices)
    return raster, image.detach(), gradient


def test_equal_input_gives_equal_bits():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        runs = [picture_and_gradient(torch.device("cpu"), RASTERIZER, 5) for _ in range(3)]
    finally:
        torch.set_num_threads(threads)
    for _, image, gradient in runs[1:]:
        assert torch.equal(image, runs[0][1]) and torch.equal(gradient, runs[0][2])


def test_portions_of_fragments_change_nothing(monkeypatch):
    expected, image, gradient = picture_and_gradient(torch.device("cpu"), RASTERIZER)
    monkeypatch.setattr(raster_torch, "_CHUNK", 777)
    raster, found_image, found_gradient = picture_and_gradient(torch.device("cpu"), RASTERIZER)
    assert torch.equal(raster.triangle, expected.triangle) and torch.equal(raster.depth, expected.depth)
    assert torch.equal(found_image, image) and torch.equal(found_gradient, gradient)


def test_the_cpu_gets_our_own_rasteriser():
    assert isinstance(rasterizer_for("cpu"), TorchRasterizer)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_the_report_says_why_nvdiffrast_is_not_used():
    assert backend_report() == "torch, because there is no CUDA device"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_ours_gives_the_same_on_the_gpu():
    expected, image, gradient = picture_and_gradient(torch.device("cpu"), RASTERIZER)
    raster, found_image, found_gradient = picture_and_gradient(torch.device("cuda"), RASTERIZER)
    assert (raster.triangle.cpu() == expected.triangle).float().mean() > 0.999
    assert (found_image.cpu() - image).abs().gt(1e-3).float().mean() < 0.002
    torch.testing.assert_close(found_gradient.cpu().sum(0), gradient.sum(0), rtol=0.02, atol=0.02)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_nvdiffrast_gives_the_same_as_ours():
    pytest.importorskip("nvdiffrast", reason="needs nvdiffrast: pip install '.[cuda]'")
    from prd.render.raster_nvdiffrast import NvdiffrastRasterizer

    expected, image, gradient = picture_and_gradient(torch.device("cuda"), RASTERIZER)
    raster, found_image, found_gradient = picture_and_gradient(torch.device("cuda"), NvdiffrastRasterizer())
    same = raster.triangle == expected.triangle  # both snap vertices, to different grids
    assert same.float().mean() > 0.98
    torch.testing.assert_close(raster.depth[same], expected.depth[same], rtol=0.0, atol=1e-5)
    torch.testing.assert_close(raster.barycentric[same], expected.barycentric[same], rtol=0.0, atol=1e-3)
    assert (found_image - image).abs().gt(0.01).float().mean() < 0.01
    torch.testing.assert_close(found_gradient.sum(0), gradient.sum(0), rtol=0.05, atol=0.05)
