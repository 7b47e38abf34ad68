"""Training the miniature autoencoder.

It must be sensible far from what the teachers see: score distillation pulls half-made pictures in wrong colours through
the encoder's derivative. So it learns on continuous colours, mixtures of pictures, blur and noise.

Legend: N pictures, R their size.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.miniature.album import SHAPES, VIEWS, Album, colours_of
from teachers.miniature.scene import learnable_scenes

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

_KL = 3e-5
"""Weight of the divergence a latent number against the error a pixel value, in [-1, 1]."""

_BLOCK = 8
"""Pixels along a latent texel, whose mean colour counts extra: hues are learned last and forgotten first."""


def autoencoder_loss(vae: "AutoencoderKL", album: Album, pictures: int, generator: torch.Generator) -> Tensor:
    """Reconstruction error and divergence on drawn pictures."""
    images = 2 * varied_pictures(album, pictures, generator) - 1
    posterior = vae.encode(images, return_dict=False)[0]
    noise = torch.randn(posterior.mean.shape, generator=generator)
    latents: Any = posterior.mean + posterior.std * noise
    restored = vae.decode(latents, return_dict=False)[0]
    error = restored - images
    divergence = 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).mean()
    blocks = F.avg_pool2d(error, _BLOCK).square().mean()
    return error.square().mean() + 0.1 * error.abs().mean() + blocks + _KL * divergence


@torch.no_grad()
def latent_scale(vae: "AutoencoderKL", album: Album, pictures: int, generator: torch.Generator) -> float:
    """What latents are multiplied by to have a standard deviation of 1 on pictures of the world."""
    scenes = learnable_scenes()
    chosen = [scenes[int(index)] for index in torch.randint(len(scenes), (pictures // VIEWS,), generator=generator)]
    images = 2 * album.take(chosen, generator).rgb(colours_of(chosen)) - 1
    return 1.0 / vae.encode(images, return_dict=False)[0].mean.std().item()


def varied_pictures(album: Album, count: int, generator: torch.Generator) -> Tensor:  # -> [N, 3, R, R] in [0, 1]
    """Shapes in any colours before any background; some mixed, blurred or noisy."""

    def chance(share: float) -> Tensor:
        return (torch.rand(count, 1, 1, 1, generator=generator) < share).float()

    sets = -(-count // VIEWS)
    shapes = torch.randint(len(SHAPES), (sets,), generator=generator).tolist()
    batch = album.take_shapes(shapes, generator)
    colours = torch.rand(sets, 2, 3, generator=generator)
    grey = torch.rand(sets, 1, 1, generator=generator) < 0.15
    colours = torch.where(grey, colours.mean(-1, keepdim=True).expand_as(colours), colours)
    pictures = batch.rgb(colours)[:count]

    opacity = batch.layers.opacity[:count]
    backdrop = torch.rand(count, 3, 1, 1, generator=generator)
    pictures = pictures - chance(0.3) * (1 - opacity) * (1 - backdrop)
    mixed = torch.lerp(pictures, pictures.flip(0), torch.rand(count, 1, 1, 1, generator=generator))
    pictures = torch.lerp(pictures, mixed, chance(0.1))
    pictures = torch.lerp(pictures, _blurred(pictures), chance(0.2) * torch.rand(count, 1, 1, 1, generator=generator))
    faded = torch.lerp(pictures, backdrop.expand_as(pictures), torch.rand(count, 1, 1, 1, generator=generator))
    pictures = torch.lerp(pictures, faded, chance(0.1))
    noise = torch.randn(pictures.shape, generator=generator) * 0.15 * torch.rand(count, 1, 1, 1, generator=generator)
    return (pictures + chance(0.15) * noise).clamp(0, 1)


def _blurred(pictures: Tensor) -> Tensor:
    small = F.avg_pool2d(pictures, 4)
    return F.interpolate(small, pictures.shape[-2:], mode="bilinear", align_corners=False)
