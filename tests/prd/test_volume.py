"""The volume renderer's parts against the reference's vectors, and the whole of it against an analytic sphere."""

import math

import pytest
import torch
from nerfacc import accumulate_along_rays, render_weight_from_alpha
from torch.nn import functional as F
from torch.testing import assert_close

from prd.config import VolumeConfig
from prd.fields import FieldHeads, TriplaneFields
from prd.render.opacity import neus_opacity
from prd.render.sampling import place_intervals, surface_cdf
from prd.render.volume import render_volume
from teachers.cameras import Cameras, orbit
from teachers.maps import disparity_map, normal_map


@pytest.fixture(scope="module")
def neus(golden):
    return golden("render/neus")


def close(actual, expected, atol=5e-6):
    assert_close(actual, expected, rtol=0.0, atol=atol)


def cameras_of(neus) -> Cameras:
    unused = torch.ones(2)
    return Cameras(neus["c2w"], unused, neus["camera_distance"], unused)


def test_opacity_of_single_intervals(neus):
    case = neus.group("cases.")
    alpha = neus_opacity(
        case["sdf"].squeeze(-1),
        case["normal"],
        case["ray_direction"],
        case["interval"].squeeze(-1),
        neus.facts["config"]["inverse_std"],
    )
    close(alpha, case["alpha"].squeeze(-1))


def test_importance_sampling(neus):
    config = neus.facts["config"]
    edges, sdf = neus["proposal.edges"], neus["proposal.sdf"]
    cdf = surface_cdf(sdf, edges, config["proposal_step"], config["inverse_std"])
    close(cdf, neus["proposal.cdf"])
    fine = place_intervals(edges, neus["proposal.cdf"], config["fine_intervals"])
    close(torch.cat([edges, fine], dim=-1).sort(dim=-1).values, neus["samples.edges"])


def test_compositing_maps_and_gradients(neus):
    sample = neus.group("samples.")
    sdf = sample["sdf"].clone().requires_grad_()
    normal = sample["normal"].clone().requires_grad_()
    logits = sample["colour_logits"].clone().requires_grad_()
    background = neus["background_rgb"].clone().requires_grad_()
    colour = torch.sigmoid(logits) * 1.002 - 0.001
    directions = neus["rays_d"].reshape(-1, 1, 3)
    alpha = neus_opacity(sdf, normal, directions, sample["interval"], neus.facts["config"]["inverse_std"])
    weights, _ = render_weight_from_alpha(alpha)
    close(weights, neus["out.weights"])

    def picture(values):
        return accumulate_along_rays(weights, values).view(2, 5, 4, -1)

    opacity, depth = picture(None), picture(sample["t_mid"].unsqueeze(-1))
    out = {
        "opacity": opacity,
        "depth": depth,
        "rgb": picture(colour) + background * (1 - opacity),
        "normal_map": normal_map(picture(normal), opacity, cameras_of(neus)),
        # The reference applies the opacity twice; handing it a depth times opacity does the same.
        "disparity_map": disparity_map(depth * opacity, opacity, neus["camera_distance"]),
    }
    for name, value in out.items():
        close(value, neus[f"out.{name}"])
    sum((value * neus[f"cotangent.{name}"]).sum() for name, value in out.items()).backward()
    gradients = {"sdf": sdf, "normal": normal, "colour_logits": logits, "background_rgb": background}
    for name, leaf in gradients.items():
        expected = neus[f"grad.{name}"]
        close(leaf.grad, expected, atol=2e-5 * float(expected.abs().max()))


def sphere(radius: float) -> TriplaneFields:
    """Fields of a grey sphere: planes of zeros leave the bias alone."""
    return TriplaneFields(torch.zeros(1, 6, 8, 4, 4), FieldHeads(8, 16).read(), radius)


CONFIG = VolumeConfig(resolution=33, global_resolution=None, coarse_intervals=64, fine_intervals=32)


def test_a_sphere_looks_like_one():
    cameras = orbit(torch.tensor([0.0, 90.0]), 20.0, 2.0, 60.0)
    rendering = render_volume(sphere(0.5), cameras, torch.ones(2, 3), CONFIG, 0.0, None)
    views = rendering.views
    silhouette = math.tan(math.asin(0.5 / 2.0)) / math.tan(math.radians(30))  # radius in half pictures
    covered = math.pi * silhouette**2 / 4
    assert views.opacity.mean().item() == pytest.approx(covered, rel=0.05)
    assert_close(views.rgb[0, 0, 0], torch.ones(3), atol=1e-3, rtol=0)
    # Nearest point: 1.5 away of [2 - sqrt(3), 2 + sqrt(3)], and it faces the camera.
    centre = views.disparity[0, 16, 16, 0].item()
    assert centre == pytest.approx((2 + math.sqrt(3) - 1.5) / (2 * math.sqrt(3)), abs=0.01)
    assert_close(views.normal[0, 16, 16], torch.tensor([0.5, 0.5, 1.0]), atol=0.02, rtol=0)
    assert rendering.eikonal().item() == pytest.approx(0.0, abs=1e-9)


def test_pictures_in_patches_agree_with_whole_ones():
    """A smooth scene: the enlarged small picture is close to the full one, the patch equal to it."""
    cameras = orbit(torch.tensor([0.0]), 10.0, 2.0, 60.0)
    whole = render_volume(sphere(0.6), cameras, torch.zeros(1, 3), CONFIG, 0.0, None).views
    patches = CONFIG.model_copy(update={"global_resolution": 17, "patch_resolution": 16})
    mixed = render_volume(sphere(0.6), cameras, torch.zeros(1, 3), patches, 0.0, torch.Generator().manual_seed(1)).views
    assert mixed.opacity.shape == whole.opacity.shape
    assert (mixed.opacity - whole.opacity).abs().mean() < 0.03


def test_colour_gradient_factor_does_not_touch_geometry():
    torch.manual_seed(0)
    cameras = orbit(torch.tensor([30.0]), 10.0, 2.0, 60.0)
    heads = FieldHeads(8, 16).read()

    def gradients(factor: float):
        planes = torch.randn(1, 6, 8, 8, 8, generator=torch.Generator().manual_seed(3)).mul(0.1).requires_grad_()
        config = CONFIG.model_copy(update={"colour_gradient": VolumeConfig(colour_gradient=factor).colour_gradient})
        views = render_volume(TriplaneFields(planes, heads), cameras, torch.zeros(1, 3), config, 0.0, None).views
        views.rgb.square().sum().backward()
        return planes.grad[:, :3], planes.grad[:, 3:]

    geometry, texture = gradients(1.0)
    geometry_shrunk, texture_shrunk = gradients(0.01)
    assert_close(geometry_shrunk, geometry)
    assert_close(texture_shrunk, texture * 0.01, rtol=1e-4, atol=1e-9)
    assert F.normalize(texture.flatten(), dim=0).isfinite().all() and texture.abs().max() > 0
