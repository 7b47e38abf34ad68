"""Teachers of one's own, some of which misbehave; importable by Ray's processes."""

import os
from dataclasses import replace

import torch

from infra.weights import resolve_weights
from teachers.config import TeacherConfig
from teachers.conformance import random_request as request_for
from teachers.contract import TeacherReply, TeacherRequest, TeacherSpec


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


class Careless(Plain):
    """Breaks the contract in every way that training would not notice at once."""

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        super().__init__(name, config, device)
        self.spec = replace(self.spec, views=2)

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        request.pixels.mul_(0.5)
        noise = torch.rand_like(request.pixels) @ torch.ones(request.pixels.shape[-1], 1)
        return TeacherReply(request.pixels + noise, {"loss": noise})  # type: ignore[dict-item]


class Hungry(Plain):
    """Has no room."""

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB.")


__all__ = ["Careless", "Hungry", "Moody", "Plain", "request_for"]
