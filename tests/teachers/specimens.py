"""Requests that fit any teacher, and teachers that misbehave; importable by Ray's processes."""

import os

import torch

from infra.seeds import generator_for
from infra.weights import resolve_weights
from teachers.config import TeacherConfig
from teachers.contract import TeacherReply, TeacherRequest, TeacherSpec


def orbit(prompts: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses and relative distances of four cameras a prompt: 90° apart, each prompt turned and raised further."""
    poses, distances = [], []
    for index in range(prompts * 4):
        prompt, view = divmod(index, 4)
        azimuth = torch.tensor(0.3 + 0.5 * prompt + view * torch.pi / 2)
        elevation = torch.tensor(0.2 + 0.1 * prompt)
        relative = 0.8 + 0.1 * (prompt % 3)
        back = torch.stack([elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()])
        right = torch.stack([-azimuth.sin(), azimuth.cos(), torch.tensor(0.0)])
        pose = torch.eye(4)
        pose[:3] = torch.stack([right, back.cross(right, dim=0), back, back * relative * 3**0.5], dim=1)
        poses.append(pose)
        distances.append(relative)
    return torch.stack(poses), torch.tensor(distances)


def request_for(
    spec: TeacherSpec, prompts: tuple[str, ...] = ("a red cube", "a blue sphere"), seed: int = 11
) -> TeacherRequest:
    """Random pixels seen from an orbit."""
    c2w, relative = orbit(len(prompts))
    kept = slice(None) if spec.views == 4 else slice(0, None, 4)
    shape = (len(prompts) * spec.views, spec.channels, spec.resolution, spec.resolution)
    pixels = torch.rand(shape, generator=generator_for(seed, "pixels"))
    return TeacherRequest(pixels, c2w[kept], relative[kept], prompts, progress=0.4, seed=seed)


class Plain:
    """A teacher of one's own: pulls every pixel towards the seed."""

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        self.spec = self.describe(name, config)
        resolve_weights(config.weights)

    @classmethod
    def describe(cls, name: str, config: TeacherConfig) -> TeacherSpec:
        return TeacherSpec(name, ("rgb",), 1, config.resolution, "bilinear")

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        return TeacherReply(request.pixels - request.seed, {"pid": float(os.getpid())})


class Moody(Plain):
    """Fails in the way that it is asked for."""

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        if "die" in request.prompts:
            os._exit(1)
        if "bug" in request.prompts:
            raise ZeroDivisionError("a bug")
        gradient = request.pixels.clone()
        gradient[0, 0, 0, 0] = torch.nan
        return TeacherReply(gradient)
