"""RichDreamer's normal-and-depth model as a teacher: four views, no autoencoder (Qiu et al. 2024)."""

from torch import Tensor

from teachers.base import DiffusionTeacher
from teachers.camera_inputs import richdreamer_cameras
from teachers.contract import TeacherRequest


class RichDreamer(DiffusionTeacher):
    """A multi-view model of geometry judges normals and disparity; the maps themselves are its latents."""

    maps = ("normal", "disparity")
    views = 4
    resize = "average"

    def encode(self, pixels: Tensor, seed: int) -> Tensor:
        # It was trained on [-1, 1]; the authors' released system feeds [0, 1] all the same.
        return 2 * pixels - 1 if self.config.input_range == "signed" else pixels.clone()

    def cameras(self, request: TeacherRequest) -> Tensor:
        return richdreamer_cameras(request.c2w, request.relative_distance)
