"""Pictures of the miniature world against closed forms, brute force and the conventions of all renderers."""

import math

import pytest
import torch
from torch import Tensor

from infra.seeds import generator_for
from teachers.cameras import Cameras, orbit
from teachers.maps import BACKGROUND_NORMAL
from teachers.miniature.album import CAMERAS, RESOLUTION, SHAPES, VIEWS, Album, Shape, colours_of, shape_of
from teachers.miniature.scene import COLOURS, Scene, parse
from teachers.miniature.solids import ALONE, distances, parts_of
from teachers.miniature.world import AMBIENT, BOUND, look, palette, render, trace

NEAREST, FARTHEST = (value / math.tan(math.radians(CAMERAS.fov_deg / 2)) for value in CAMERAS.relative_distance)


def camera(azimuth: float, elevation: float = 10.0, distance: float = FARTHEST) -> Cameras:
    return orbit(azimuth, elevation, distance, CAMERAS.fov_deg)


def scene_of(shape: Shape) -> Scene:
    solid, nose, below = shape
    return Scene("red", solid, "blue" if nose else None, ("blue", below) if below else None)


def close_to(picture: Tensor, colour: str) -> Tensor:  # [..., 3] -> [...]
    """Where a colour is seen, at any brightness that shading leaves."""
    full = picture.new_tensor(COLOURS[colour])
    return ((picture <= full + 0.02) & (picture >= AMBIENT * full - 0.02)).all(-1)


def test_a_sphere_is_what_its_closed_form_says():
    eye, size = camera(35.0, 20.0), 48
    views = render([Scene("orange", "sphere")], eye, size, supersampling=1)
    origins, directions = eye.rays(size, size)
    middle = -(origins * directions).sum(-1)
    beside = (origins + middle[..., None] * directions).norm(dim=-1)
    depth = middle - (ALONE**2 - beside**2).clamp(min=0).sqrt()
    normal = (origins + depth[..., None] * directions) / ALONE
    facing = -(normal * directions).sum(-1)

    assert torch.equal(views.opacity[..., 0] > 0, beside < ALONE + 1e-3)
    seen = (beside < ALONE) & (facing > 0.25)  # a ray that grazes meets the surface a little early
    right, up, backwards = eye.c2w[0, :3, :3].T
    axes = torch.stack([-normal @ right, normal @ up, normal @ backwards], dim=-1)
    torch.testing.assert_close(views.normal[seen], (axes[seen] + 1) / 2, atol=4e-3, rtol=0)
    far = FARTHEST + math.sqrt(3)
    torch.testing.assert_close(views.disparity[seen][:, 0], (far - depth[seen]) / (2 * math.sqrt(3)), atol=2e-3, rtol=0)
    colour = torch.tensor(COLOURS["orange"]) * (AMBIENT + (1 - AMBIENT) * facing[seen])[:, None]
    torch.testing.assert_close(views.rgb[seen], colour, atol=4e-3, rtol=0)
    assert seen.sum() > 300


def test_where_nothing_is_the_maps_say_so():
    views = render([Scene("red", "cube")], camera(0.0), 16)
    empty = views.opacity[..., 0] == 0
    assert 80 < empty.sum() < 200
    assert (views.rgb[empty] == 1).all()
    assert (views.disparity[empty] == 0).all()
    torch.testing.assert_close(views.normal[empty], torch.tensor(BACKGROUND_NORMAL).expand(int(empty.sum()), 3))
    for values in (views.rgb, views.normal, views.disparity, views.opacity):
        assert values.min() >= 0 and values.max() <= 1


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_rays_meet_the_first_surface_on_their_way(number):
    parts = parts_of(scene_of(SHAPES[number]))
    eye = camera(37.0 * number, 7.0 * (number % 5), NEAREST)
    origins, directions = (rays.reshape(-1, 3) for rays in eye.rays(24, 24))
    hit, depth, part = trace(parts, origins, directions)

    step = 0.005
    marks = torch.arange(NEAREST - BOUND, NEAREST + BOUND, step)
    there = distances(parts, (origins[:, None] + marks[:, None] * directions[:, None]).reshape(-1, 3))
    there = there.view(len(origins), len(marks), -1)
    nearest = there.amin(-1)
    assert hit[nearest.amin(1) < 0].all(), "no ray slips through"
    assert (nearest.amin(1)[hit] < 1e-3 + step / 2).all(), "and none stops at nothing"

    inside = hit & (nearest.amin(1) < 0)
    first = (nearest[inside] < 0).int().argmax(1)
    late = marks[first] - depth[inside]
    assert late.median() < 2 * step and late.min() > -step
    # A ray that grazes stops in front of what it meets first, and may go on to be inside something else.
    surely = (late > 0) & (late < 2 * step)
    assert surely.float().mean() > 0.8
    to_part = there[inside, first].gather(1, part[inside, None])[:, 0]
    assert (to_part[surely] < step).all(), "the part named is the one that is there"


@pytest.mark.parametrize("solid", ["sphere", "cone", "torus"])
def test_the_front_is_at_azimuth_0(solid):
    scene = Scene("green", solid, nose="red")
    eyes = orbit(torch.tensor([0.0, 90.0, 180.0, 270.0]), 0.0, FARTHEST, CAMERAS.fov_deg)
    red = close_to(render([scene], eyes, 64, supersampling=1).rgb, "red")
    front, left, back, right = red.sum((1, 2)).tolist()
    assert front > 40 and front > 1.5 * max(left, right) and back == 0
    assert left == pytest.approx(right, abs=4)
    columns = torch.arange(64).float()
    at = [(red[view].float().sum(0) * columns).sum() / red[view].sum() for view in (0, 1, 3)]
    assert at[0].item() == pytest.approx(31.5, abs=0.5)
    assert at[1] < 24, "from the camera's right of the front, +x is on the left"
    assert at[2] > 40


def test_what_is_on_top_is_above():
    rgb = render([parse("a red cube on a blue cylinder")], camera(20.0), 32, supersampling=1).rgb[0]
    rows = torch.arange(32).float()
    red, blue = (close_to(rgb, colour).float().sum(1) for colour in ("red", "blue"))
    assert min(red.sum(), blue.sum()) > 50
    assert (red * rows).sum() / red.sum() < 15 < (blue * rows).sum() / blue.sum()


def test_views_come_scene_by_scene():
    scenes = [Scene("red", "cube"), Scene("cyan", "sphere", nose="black"), parse("a white cone on a grey torus")]
    eyes = orbit(torch.arange(6) * 50.0, 15.0, FARTHEST, CAMERAS.fov_deg)
    together = render(scenes, eyes, 16)
    assert together.rgb.shape == (6, 16, 16, 3) and together.opacity.shape == (6, 16, 16, 1)
    for index, scene in enumerate(scenes):
        rows = slice(2 * index, 2 * index + 2)
        alone = render([scene], eyes[rows], 16)
        for name in ("rgb", "normal", "disparity", "opacity"):
            assert torch.equal(getattr(together, name)[rows], getattr(alone, name))


def test_more_rays_a_pixel_are_the_mean_of_a_larger_picture():
    parts = parts_of(parse("a pink capsule on a brown cube"))
    small, large = look(parts, camera(70.0), 16, 2), look(parts, camera(70.0), 32, 1)
    for name in ("shading", "normal", "disparity", "opacity"):
        mean = torch.nn.functional.avg_pool2d(getattr(large, name), 2)
        torch.testing.assert_close(getattr(small, name), mean)


def test_a_picture_is_its_layers_painted():
    scene = parse("a yellow torus on a purple sphere")
    layers = look(parts_of(scene), camera(0.0), 16)
    torch.testing.assert_close(layers.paint(palette(scene)).permute(0, 2, 3, 1), render([scene], camera(0.0), 16).rgb)
    assert (layers.shading.sum(1, keepdim=True) <= layers.opacity + 1e-6).all()
    assert (layers.paint(torch.ones(2, 3)) >= layers.paint(torch.zeros(2, 3))).all()


def test_objects_fill_the_view_without_leaving_it():
    """At the farthest; at the nearest only the wide foot of a cone is cut off by the lower edge."""
    size, margin = 32, 4
    wide = 2 * math.degrees(math.atan(math.tan(math.radians(CAMERAS.fov_deg / 2)) * (size + 2 * margin) / size))
    azimuth = torch.tensor([0.0, 45.0, 90.0, 180.0]).repeat(2)
    elevation = torch.tensor(CAMERAS.elevation_deg).repeat_interleave(4)
    for distance, most in ((FARTHEST, 0.0), (NEAREST, 0.07)):
        eyes = orbit(azimuth, elevation, distance, wide)
        for shape in SHAPES:
            masks = look(parts_of(scene_of(shape)), eyes, size + 2 * margin, 1).opacity[:, 0]
            whole, seen = masks.sum((1, 2)), masks[:, margin:-margin, margin:-margin].sum((1, 2))
            assert (1 - seen / whole).max() <= most, shape
            assert (seen > 0.08 * size**2).all(), shape
            assert masks[:, 0].sum() == masks[:, -1].sum() == 0, "the margin is wide enough to judge"


@pytest.fixture(scope="module")
def album() -> Album:
    return Album(seed=3, sets=2)


def test_an_album_gives_the_pictures_of_the_cameras_that_it_gives(album):
    scenes = [
        *(Scene("blue", "cone"), Scene("white", "torus", nose="black"), parse("a grey capsule on an orange cube")),
        *(parse("a green cylinder on a green cylinder"), Scene("pink", "sphere", nose="cyan"), Scene("blue", "cone")),
    ]
    batch = album.take(scenes, generator_for(0, "album test"))
    expected = render(scenes, batch.cameras, RESOLUTION)
    byte = {"atol": 0.5 / 255 + 1e-6, "rtol": 0.0}
    for name in ("normal", "disparity", "opacity"):
        torch.testing.assert_close(getattr(batch.layers, name).permute(0, 2, 3, 1), getattr(expected, name), **byte)
    rgb = batch.rgb(colours_of(scenes)).permute(0, 2, 3, 1)
    torch.testing.assert_close(rgb, expected.rgb, atol=1.5 / 255, rtol=0.0)  # coverage and shading, each in bytes


def test_an_album_draws_among_its_sets_by_the_generator_alone(album):
    scenes = [Scene("red", "cube")] * 20
    first, again = (album.take(scenes, generator_for(1, "draw")) for _ in range(2))
    assert torch.equal(first.cameras.c2w, again.cameras.c2w)
    assert torch.equal(first.layers.shading, again.layers.shading)
    assert len(first.cameras.position[::VIEWS].unique(dim=0)) == album.sets


def test_album_cameras_stand_where_training_cameras_do(album):
    cameras = album.take_shapes(range(len(SHAPES)), generator_for(2, "draw")).cameras
    assert len(cameras) == VIEWS * len(SHAPES)
    low, high = CAMERAS.relative_distance
    assert ((cameras.relative_distance >= low - 1e-6) & (cameras.relative_distance <= high + 1e-6)).all()
    elevation = torch.rad2deg(torch.asin(cameras.position[:, 2] / cameras.distance))
    assert elevation.min() >= -1e-3 and elevation.max() <= CAMERAS.elevation_deg[1] + 1e-3
    around = cameras.position.view(-1, VIEWS, 3)
    torch.testing.assert_close(around[:, 0, :2], -around[:, 2, :2], atol=1e-5, rtol=0)


def test_every_scene_has_a_shape_whatever_its_colours():
    assert len(set(SHAPES)) == len(SHAPES)
    for shape in SHAPES:
        assert shape_of(scene_of(shape)) == shape
    assert shape_of(parse("a black cone on a cyan cube")) == shape_of(parse("a red cone on a blue cube"))


def test_the_world_is_the_one_that_the_shipped_models_were_trained_on():
    """When this fails, sizes, shading or colours have changed: the models must be trained again."""
    scenes = [
        *(Scene(colour, "sphere") for colour in COLOURS),
        *(Scene("red", solid, nose="green") for solid in ("cube", "torus")),
        *(parse("a blue cone on a pink cylinder"), parse("a cyan capsule on a black cone")),
    ]
    eyes = orbit(torch.tensor([0.0, 120.0]).repeat(len(scenes)), 15.0, FARTHEST, CAMERAS.fov_deg)
    views = render(scenes, eyes, 32)
    means = views.rgb.view(len(scenes), -1, 3).mean(1)
    recorded = [
        (0.9197, 0.704, 0.704),
        (0.7096, 0.8497, 0.7237),
        (0.7096, 0.7377, 0.9197),
        (0.9477, 0.9197, 0.7096),
        (0.9561, 0.8217, 0.6956),
        (0.8217, 0.7096, 0.8637),
        (0.9561, 0.8357, 0.8917),
        (0.7993, 0.7489, 0.7096),
        (0.9477, 0.9477, 0.9477),
        (0.8217, 0.8217, 0.8217),
        (0.6984, 0.6984, 0.6984),
        (0.7096, 0.9057, 0.9197),
        (0.9, 0.6568, 0.6473),
        (0.9263, 0.854, 0.8385),
        (0.9043, 0.8817, 0.9519),
        (0.8432, 0.8942, 0.8979),
    ]
    torch.testing.assert_close(means, torch.tensor(recorded), atol=1e-3, rtol=0)
