"""Training the miniature U-Nets to predict noise, as their large models were.

Legend: B scenes, V = 4 views, L tokens, D text width, c, h, w the latent's shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from infra.progress import track
from infra.seeds import generator_for
from teachers.camera_inputs import mvdream_cameras, richdreamer_cameras
from teachers.cameras import Cameras
from teachers.guidance import add_noise
from teachers.miniature.album import VIEWS, Album, colours_of
from teachers.miniature.captions import caption
from teachers.miniature.scene import Scene
from teachers.text import TextEncoder

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

_UNCONDITIONAL = 0.1
"""Share of captions that are left empty, so that guidance has something to point away from."""

_CHUNK = 64  # sets that are encoded together


@dataclass(frozen=True)
class Examples:
    """Clean latents of B scenes with their cameras."""

    latents: Tensor  # [B * views, c, h, w]
    cameras: Tensor | None  # [B * views, 16]
    scenes: Sequence[Scene]


Draw = Callable[[int, torch.Generator], Examples]
"""So many examples, drawn by a generator."""


def denoising_loss(
    unet: "UNet2DConditionModel",
    text: TextEncoder,
    abar: Tensor,  # [T]
    draw: Draw,
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of the predicted noise; the views of a scene share a timestep."""
    examples = draw(count, generator)
    views = len(examples.latents) // count
    embeddings = text.encode(_captions(examples.scenes, generator)).repeat_interleave(views, dim=0)
    timesteps = torch.randint(len(abar), (count,), generator=generator).repeat_interleave(views)
    noise = torch.randn(examples.latents.shape, generator=generator)
    noisy = add_noise(examples.latents, noise, abar[timesteps])
    predicted = unet(
        noisy, timesteps, encoder_hidden_states=embeddings, class_labels=examples.cameras, return_dict=False
    )[0]
    return F.mse_loss(predicted, noise)


class LatentAlbum:
    """Every scene's pictures in its own colours, encoded once.

    Args:
        vae: trained.
        album: shapes.
        scenes: to picture.
        copies: sets of four views of each scene.
        seed: which of the album's sets they are.
    """

    def __init__(self, vae: "AutoencoderKL", album: Album, scenes: Sequence[Scene], copies: int, seed: int) -> None:
        self.scenes = scenes
        self._latents: list[Tensor] = []  # per copy [S * V, c, h, w]
        self._cameras: list[Cameras] = []
        scale: float = vae.config["scaling_factor"]
        for copy in range(copies):
            generator = generator_for(seed, "latents", copy)
            latents, cameras = [], []
            for start in track(range(0, len(scenes), _CHUNK), f"encoding pictures ({copy + 1} of {copies})"):
                chunk = scenes[start : start + _CHUNK]
                batch = album.take(chunk, generator)
                with torch.no_grad():
                    encoded = vae.encode(2 * batch.rgb(colours_of(chunk)) - 1, return_dict=False)[0]
                    noise = torch.randn(encoded.mean.shape, generator=generator)
                    latents.append((encoded.mean + encoded.std * noise) * scale)
                cameras.append(batch.cameras)
            self._latents.append(torch.cat(latents))
            self._cameras.append(Cameras.join(cameras))

    def single(self, count: int, generator: torch.Generator) -> Examples:
        """One view of each of `count` scenes."""
        copy, chosen = self._choose(count, generator)
        rows = chosen * VIEWS + torch.randint(VIEWS, (count,), generator=generator)
        return Examples(self._latents[copy][rows], None, [self.scenes[index] for index in chosen.tolist()])

    def sets(self, count: int, generator: torch.Generator) -> Examples:
        """Four views of each of `count` scenes, with MVDream's cameras."""
        copy, chosen = self._choose(count, generator)
        rows = (chosen.unsqueeze(1) * VIEWS + torch.arange(VIEWS)).flatten()
        cameras = mvdream_cameras(self._cameras[copy].c2w[rows])
        return Examples(self._latents[copy][rows], cameras, [self.scenes[index] for index in chosen.tolist()])

    def _choose(self, count: int, generator: torch.Generator) -> tuple[int, Tensor]:
        copy = int(torch.randint(len(self._latents), (1,), generator=generator))
        return copy, torch.randint(len(self.scenes), (count,), generator=generator)


def geometry_sets(
    album: Album, scenes: Sequence[Scene], resolution: int, count: int, generator: torch.Generator
) -> Examples:
    """Normals and disparity in [-1, 1], four views of each of `count` scenes, with RichDreamer's cameras."""
    chosen = [scenes[index] for index in torch.randint(len(scenes), (count,), generator=generator).tolist()]
    batch = album.take(chosen, generator)
    maps = torch.cat([batch.layers.normal, batch.layers.disparity], dim=1)
    cameras = richdreamer_cameras(batch.cameras.c2w, batch.cameras.relative_distance)
    return Examples(2 * F.adaptive_avg_pool2d(maps, resolution) - 1, cameras, chosen)


def _captions(scenes: Sequence[Scene], generator: torch.Generator) -> list[str]:
    draws = torch.rand(len(scenes), 4, generator=generator).tolist()
    return [
        "" if empty < _UNCONDITIONAL else caption(scene, *manner)
        for scene, (empty, *manner) in zip(scenes, draws, strict=True)
    ]
