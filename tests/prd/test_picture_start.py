"""Colour that begins as the decoder's picture."""

import pytest
import torch

from prd.adapters import PlaneOutput
from prd.config import GeneratorConfig
from prd.fields import FieldHead
from prd.generator import TriplaneGenerator
from prd.picture_start import start_from_picture
from teachers.folder import load_vae

CPU = torch.device("cpu")


def generator(base, **changes) -> TriplaneGenerator:
    sizes = {"latent_size": 8, "rank": 2, "plane_channels": 8, "hidden_width": 16}
    return TriplaneGenerator.untrained(base, GeneratorConfig(base=str(base), **sizes, **changes), seed=0)


def test_a_point_has_the_mean_colour_of_its_three_pictures(miniature):
    base = miniature / "stable-diffusion"
    student = generator(base, initial_colour="picture", unscale_latents=True)
    latents = student.initial_noise(1, torch.Generator().manual_seed(3))
    vae = load_vae(base, CPU, torch.float32)
    with torch.no_grad():
        planes = student.decode(latents)
        pictures = vae.decode(latents / vae.config["scaling_factor"]).sample
    torch.testing.assert_close(planes[0, 3:, :3], pictures[3:], rtol=1e-4, atol=1e-4)

    fields = student.fields(planes)
    texel = (2 * 40 + 1) / 64 - 1  # the middle of texel 40 along an axis
    with torch.no_grad():
        colour = fields.colour(torch.full((1, 1, 3), texel))[0, 0]
    # Columns are +y, -x, +y and rows +x, -z, -z, for the planes xy, xz and yz.
    seen = torch.stack([pictures[3, :, 40, 40], pictures[4, :, 23, 23], pictures[5, :, 23, 40]])
    torch.testing.assert_close(colour, torch.sigmoid(2 * seen.mean(0)) * 1.002 - 0.001, rtol=1e-3, atol=1e-3)


def test_the_rest_stays_as_it_was_drawn(miniature):
    base = miniature / "stable-diffusion"
    plain, started = generator(base), generator(base, initial_colour="picture")
    for name, parameter in plain.trainable():
        changed = not parameter.equal(dict(started.trainable())[name])
        assert changed == name.startswith(("decoder.conv_out", "heads.colour")), name


def test_every_unit_of_the_colour_head_learns(miniature):
    student = generator(miniature / "stable-diffusion", initial_colour="picture", unscale_latents=True)
    optimiser = torch.optim.SGD(student.heads.parameters(), 0.1)
    for _ in range(2):  # the last layer first, then what it reads
        planes = torch.randn(1, 6, 8, 4, 4, generator=torch.Generator().manual_seed(0))
        colour = student.fields(planes).colour(torch.rand(1, 64, 3, generator=torch.Generator().manual_seed(1)))
        optimiser.zero_grad()
        (colour - 0.3).square().sum().backward()
        optimiser.step()
    gradient = student.heads.colour.first.grad
    assert (gradient.abs().amax(dim=1) > 0).float().mean() > 0.7  # a ReLU may be off for all of these points


@pytest.mark.parametrize(("channels", "width"), [(2, 16), (8, 5)])
def test_too_small_for_a_picture(channels, width):
    head = FieldHead(3 * channels, width, 3)
    with pytest.raises(ValueError, match="three plane channels and six hidden units"):
        start_from_picture(PlaneOutput(4, channels), torch.nn.Conv2d(4, 3, 3, padding=1), head)
