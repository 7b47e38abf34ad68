"""Pictures to latents with the encoder of a diffusers folder's autoencoder."""

from pathlib import Path

import torch
from torch import Tensor

from infra.seeds import generator_for
from teachers.folder import load_vae


class ImageEncoder:
    """A frozen VAE encoder; the decoder is not kept.

    Args:
        folder: diffusers folder.
        device: where it runs.
        dtype: its arithmetic.

    Raises:
        MissingError: `vae/` is missing or damaged.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self._vae = load_vae(folder, device, dtype)
        del self._vae.decoder, self._vae.post_quant_conv
        self._scale: float = self._vae.config["scaling_factor"]

    def encode(self, pixels: Tensor, seed: int) -> Tensor:  # [N, 3, H, W] in [0, 1] → [N, c, h, w] fp32
        """A sample of the posterior, times the model's scaling factor; differentiable."""
        posterior = self._vae.encode((2 * pixels - 1).to(self._vae.dtype), return_dict=False)[0]
        mean, deviation = posterior.mean.float(), posterior.std.float()
        noise = torch.randn(mean.shape, generator=generator_for(seed, "posterior")).to(mean.device)
        return (mean + deviation * noise) * self._scale
