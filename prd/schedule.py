"""The few-step noise schedule: which timesteps, and how clean and noisy latents come from each other."""

from dataclasses import dataclass

import torch
from torch import Tensor

SCHEDULE_LENGTH = 1000


def few_step_timesteps(steps: int) -> list[int]:
    """K timesteps, the largest being 999 and the rest evenly below it: K = 4 gives 999, 749, 499, 249."""
    return [SCHEDULE_LENGTH - 1 - k * (SCHEDULE_LENGTH // steps) for k in range(steps)]


@dataclass(frozen=True)
class NoiseSchedule:
    """Variance-preserving schedule of a latent diffusion model that predicts noise."""

    alphas_cumprod: Tensor  # [1000], float32

    @classmethod
    def scaled_linear(cls, beta_start: float = 0.00085, beta_end: float = 0.012) -> "NoiseSchedule":
        """Betas linear in their square root, as Stable Diffusion has them."""
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, SCHEDULE_LENGTH, dtype=torch.float32) ** 2
        return cls(torch.cumprod(1.0 - betas, dim=0))

    def alpha(self, timestep: int) -> float:
        return float(self.alphas_cumprod[timestep]) ** 0.5

    def sigma(self, timestep: int) -> float:
        return (1.0 - float(self.alphas_cumprod[timestep])) ** 0.5

    def add_noise(self, latents: Tensor, noise: Tensor, timestep: int) -> Tensor:
        """z_t = α_t z_0 + σ_t ε."""
        return self.alpha(timestep) * latents + self.sigma(timestep) * noise

    def predict_clean(self, noisy: Tensor, predicted_noise: Tensor, timestep: int) -> Tensor:
        """ẑ_0 = (z_t − σ_t ε̂) / α_t."""
        return (noisy - self.sigma(timestep) * predicted_noise) / self.alpha(timestep)
