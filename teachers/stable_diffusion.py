"""Stable Diffusion as a teacher: one picture a prompt, no camera."""

import torch
from torch import Tensor

from teachers.base import DiffusionTeacher
from teachers.config import TeacherConfig
from teachers.vae import ImageEncoder


class StableDiffusion(DiffusionTeacher):
    """A text-to-image model judges a single view."""

    maps = ("rgb",)
    views = 1
    resize = "bilinear"

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        super().__init__(name, config, device)
        self.images = ImageEncoder(self.folder, device, self.dtype)

    def encode(self, pixels: Tensor, seed: int) -> Tensor:
        return self.images.encode(pixels, seed)
