"""The mathematics of asynchronous score distillation (ASD; paper, section 3.2), on plain tensors.

A noisy latent is z_t = α_t z + σ_t ε with α_t = √ᾱ_t and σ_t = √(1 - ᾱ_t). Of two estimates of the clean latent, one
guided at t and one unguided at a later t₊, the student is moved from the second towards the first.

Legend: N = B*V images, B prompts, V views a prompt, c, h, w the latent's shape, T the schedule's length.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Score:
    """A noise prediction, and where it was made."""

    noise: Tensor  # [N, c, h, w] the prediction
    noisy: Tensor  # [N, c, h, w] the latent it was made for
    abar: Tensor  # [N] ᾱ at its timestep

    def estimate(self) -> Tensor:  # [N, c, h, w]
        """ẑ0, the clean latent according to this prediction."""
        abar = _per_image(self.abar)
        return (self.noisy - (1 - abar).sqrt() * self.noise) / abar.sqrt()


def timestep_range(minimum: float, maximum: float, length: int) -> tuple[int, int]:
    """Lowest timestep and exclusive upper end of two fractions of a schedule of `length` steps; never empty."""
    low = min(max(int(length * minimum), 0), length - 1)
    return low, min(max(int(length * maximum), low + 1), length)


def draw_timesteps(low: int, high: int, count: int, generator: torch.Generator) -> Tensor:  # [count] int64
    """Uniform over low, …, high - 1."""
    return torch.randint(low, high, (count,), generator=generator)


def shift_timesteps(
    timesteps: Tensor,  # [B] int64
    low: int,
    shift: float,
    uniform: Tensor,  # [B] in [0, 1)
    length: int,
) -> Tensor:  # [B] int64
    """t₊ = t + ⌊u · η (t - t_min)⌋, kept within 1, …, T - 1; η = `shift` (paper, section 3.2)."""
    reach = (shift * (timesteps - low).float()).clamp(min=0)
    reach = torch.minimum(reach, (length - 1 - timesteps).float())
    return (timesteps + (uniform * reach).floor().long()).clamp(1, length - 1)


def add_noise(latents: Tensor, noise: Tensor, abar: Tensor) -> Tensor:  # [N, c, h, w] ×2, [N] → [N, c, h, w]
    """z_t of a clean latent."""
    abar = _per_image(abar)
    return abar.sqrt() * latents + (1 - abar).sqrt() * noise


def classifier_free_guidance(text: Tensor, negative: Tensor, scale: float) -> Tensor:
    """ε = ε_neg + s (ε_text - ε_neg); plain, without rescaling."""
    return negative + scale * (text - negative)


def distillation_gradient(
    latents: Tensor,  # [N, c, h, w] clean
    guided: Score,
    second: Score,
    *,
    weighting: Literal["paper", "reference"],
    weight_over: Literal["image", "prompt"],
    views: int,
    offset: float,
) -> tuple[Tensor, Tensor]:  # [N, c, h, w], [N]
    """g = (ẑ0(second) - ẑ0(guided)) / (mean|z - ẑ0(guided)| + δ), in the direction that descent subtracts.

    Args:
        latents: what the student's pictures encode to.
        guided: prediction at t with classifier-free guidance.
        second: prediction at t₊ for the text alone.
        weighting: `paper` takes each estimate from its own noisy latent and timestep. `reference` is what the authors'
            released system does: the clean latent stands for both noisy ones and t for both timesteps, which makes
            the denominator about three times larger.
        weight_over: whether the mean is over one image or all views of a prompt.
        views: V; the rows of a prompt lie together.
        offset: δ.

    Returns:
        The gradient for the latents and the mean in its denominator.
    """
    if weighting == "reference":
        guided = Score(guided.noise, latents, guided.abar)
        second = Score(second.noise, latents, guided.abar)
    towards, away = guided.estimate(), second.estimate()
    weight = (latents - towards).abs().mean(dim=(1, 2, 3))
    if weight_over == "prompt":
        weight = weight.view(-1, views).mean(dim=1).repeat_interleave(views)
    return (away - towards) / (_per_image(weight) + offset), weight


def distillation_loss(gradient: Tensor) -> Tensor:  # [N, c, h, w] → []
    """½‖z - sg(z - g)‖², summed over a latent, divided by V, averaged over the B prompts.

    Its derivative for the latents is g / N: the scale depends neither on the number of prompts nor of views, and a
    prompt's one picture weighs as much as its four views together.
    """
    return 0.5 * gradient.square().sum() / gradient.shape[0]


def _per_image(values: Tensor) -> Tensor:  # [N] → [N, 1, 1, 1]
    return values.view(-1, 1, 1, 1)
