"""A teacher that knows the answer: it pulls every view toward the analytic picture of the prompt's solid."""

import torch

from teachers.cameras import Cameras
from teachers.config import TeacherConfig
from teachers.contract import TeacherReply, TeacherRequest, TeacherSpec
from teachers.maps import teacher_pixels
from teachers.miniature.scene import parse
from teachers.miniature.world import render

_SCALE = 0.01
"""Of the gradient: large enough for the regularisers, which rise and fall over a run, not to outweigh it."""


class KnownAnswer:
    """Its loss is the squared difference of colours, normals and disparities."""

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        self.spec = self.describe(name, config)

    @classmethod
    def describe(cls, name: str, config: TeacherConfig) -> TeacherSpec:
        return TeacherSpec(name, ("rgb", "normal", "disparity"), 4, config.resolution, "average")

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        distance = request.c2w[:, :3, 3].norm(dim=-1)
        fov = 2 * torch.rad2deg(torch.atan(request.relative_distance / distance))
        cameras = Cameras(request.c2w, fov, distance, request.relative_distance)
        scenes = [parse(prompt) for prompt in request.prompts]
        wanted = teacher_pixels(render(scenes, cameras, self.spec.resolution), self.spec)
        difference = request.pixels - wanted
        return TeacherReply(_SCALE * difference, {"loss": difference.square().mean().item()})
