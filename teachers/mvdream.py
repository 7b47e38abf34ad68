"""MVDream as a teacher: four pictures of a prompt and their cameras (Shi et al. 2023)."""

import torch
from torch import Tensor

from teachers.base import DiffusionTeacher
from teachers.camera_inputs import mvdream_cameras
from teachers.config import TeacherConfig
from teachers.contract import TeacherRequest
from teachers.vae import ImageEncoder


class MVDream(DiffusionTeacher):
    """A text-to-four-views model judges colour."""

    maps = ("rgb",)
    views = 4
    resize = "bilinear"

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        super().__init__(name, config, device)
        self.images = ImageEncoder(self.folder, device, self.dtype)

    def encode(self, pixels: Tensor, seed: int) -> Tensor:
        return self.images.encode(pixels, seed)

    def cameras(self, request: TeacherRequest) -> Tensor:
        return mvdream_cameras(request.c2w)
