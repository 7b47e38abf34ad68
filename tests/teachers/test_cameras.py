"""Cameras against recorded ones and against what a camera has to do."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from infra.seeds import generator_for
from teachers.camera_config import CameraConfig
from teachers.cameras import orbit, sample_training_cameras

GOLDEN = Path(__file__).parents[1] / "golden" / "cameras"
TOLERANCE = {"atol": 2e-6, "rtol": 0.0}


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN / "cameras.safetensors"), json.loads((GOLDEN / "cameras.json").read_text())["config"]


@pytest.fixture(scope="module")
def cameras(golden):
    tensors, _ = golden
    return orbit(*(tensors[name] for name in ("azimuth_deg", "elevation_deg", "camera_distance", "fov_deg")))


def test_poses_are_the_recorded_ones(golden, cameras):
    tensors, _ = golden
    torch.testing.assert_close(cameras.c2w, tensors["c2w"], **TOLERANCE)
    torch.testing.assert_close(cameras.position, tensors["camera_position"], **TOLERANCE)
    torch.testing.assert_close(cameras.relative_distance, tensors["relative_distance"], **TOLERANCE)


def test_rays_are_the_recorded_ones(golden, cameras):
    tensors, config = golden
    origins, directions = cameras.rays(config["ray_height"], config["ray_width"])
    torch.testing.assert_close(origins, tensors["rays_o"], **TOLERANCE)
    torch.testing.assert_close(directions, tensors["rays_d"], **TOLERANCE)


def test_projection_is_the_recorded_one(golden, cameras):
    tensors, config = golden
    mvp = cameras.mvp(config["raster_height"], config["raster_width"], config["near"], config["far"])
    torch.testing.assert_close(mvp, tensors["mvp_matrix"], **TOLERANCE)


def test_rays_and_projection_agree_on_pixels(cameras):
    """A point on the ray of a pixel projects back to the centre of that pixel."""
    height, width = 6, 10
    origins, directions = cameras.rays(height, width)
    points = torch.nn.functional.pad(origins + 1.7 * directions, (0, 1), value=1.0)
    clip = torch.einsum("nij,nhwj->nhwi", cameras.mvp(height, width), points)
    ndc = clip[..., :2] / clip[..., 3:]
    pixels = (ndc + 1) / 2 * torch.tensor([width, height])
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    expected = torch.stack([columns, rows], dim=-1).expand_as(pixels)
    torch.testing.assert_close(pixels, expected, atol=1e-4, rtol=0.0)


def test_world_to_camera_inverts_the_pose(cameras):
    identity = torch.eye(4).expand(len(cameras), 4, 4)
    torch.testing.assert_close(cameras.w2c @ cameras.c2w, identity, atol=1e-6, rtol=0.0)


def test_front_camera_sees_left_and_right_the_right_way_round():
    """From +x, with z up, +y is on the right: pictures are not mirrored."""
    front = orbit(torch.tensor([0.0]), 0.0, 3.0, 40.0)
    points = torch.tensor([[0.0, 0.5, 0.0, 1.0], [0.0, 0.0, 0.5, 1.0]])
    clip = points @ front.mvp(64, 64)[0].T
    assert clip[0, 0] > 0  # +y: right half
    assert clip[1, 1] < 0  # +z: upper rows


def test_selecting_keeps_the_camera_whole(cameras):
    last = cameras[-1]
    assert len(last) == 1
    torch.testing.assert_close(last.c2w[0], cameras.c2w[-1])
    swapped = cameras.select(torch.tensor([3, 1]))
    torch.testing.assert_close(swapped.fov_deg, cameras.fov_deg[[3, 1]])
    torch.testing.assert_close(cameras[2:4].distance, cameras.distance[2:4])
    with pytest.raises(IndexError):
        cameras[len(cameras)]


def test_training_cameras_keep_to_their_ranges():
    config = CameraConfig(elevation_deg=(5.0, 25.0), relative_distance=(0.8, 1.0), fov_deg=60.0)
    prompts, views = 200, 4
    cameras = sample_training_cameras(prompts, views, generator_for("camera", 1), config)
    assert len(cameras) == prompts * views

    position = cameras.position.reshape(prompts, views, 3)
    elevation = torch.rad2deg(torch.asin(position[..., 2] / position.norm(dim=-1)))
    azimuth = torch.rad2deg(torch.atan2(position[..., 1], position[..., 0]))
    relative = cameras.relative_distance.reshape(prompts, views)
    torch.testing.assert_close(elevation, elevation[:, :1].expand_as(elevation), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(relative, relative[:, :1].expand_as(relative))
    assert elevation.min() > 5 and elevation.max() < 25 and elevation.std() > 4
    assert relative.min() >= 0.8 and relative.max() <= 1.0 and relative.std() > 0.04
    torch.testing.assert_close(cameras.distance, cameras.relative_distance * 3**0.5)

    steps = torch.diff(azimuth, dim=1) % 360
    torch.testing.assert_close(steps, torch.full_like(steps, 90.0), atol=1e-3, rtol=0.0)
    offset = (azimuth[:, 0] + 180) % 360
    assert offset.min() < 5 and 85 < offset.max() < 90.001


def test_training_cameras_repeat_with_their_seed():
    def draw(seed: int):
        return sample_training_cameras(3, 4, generator_for(seed), CameraConfig()).c2w

    assert torch.equal(draw(7), draw(7))
    assert not torch.equal(draw(7), draw(8))


@pytest.mark.parametrize(
    "wrong", [{"elevation_deg": (30.0, 0.0)}, {"elevation_deg": (0.0, 90.0)}, {"relative_distance": (0.0, 1.0)}]
)
def test_senseless_ranges_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CameraConfig(**wrong)
