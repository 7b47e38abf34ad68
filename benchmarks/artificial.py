"""Teachers of known cost, which any process can load."""

import time

import torch

from teachers.config import TeacherConfig
from teachers.contract import TeacherReply, TeacherRequest, TeacherSpec
from teachers.registry import KINDS, teacher_spec


class Costly:
    """Waits `guidance_scale` seconds, as one whose GPU is busy elsewhere, and answers with zeros.

    `prompt_suffix` names the shipped kind whose pixels it wants.
    """

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        self.spec = self.describe(name, config)
        self._seconds = config.guidance_scale.at(0.0)

    @classmethod
    def describe(cls, name: str, config: TeacherConfig) -> TeacherSpec:
        return teacher_spec(name, config.model_copy(update={"kind": config.prompt_suffix}))

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        time.sleep(self._seconds)
        return TeacherReply(torch.zeros_like(request.pixels))


def costly(like: TeacherConfig, seconds: float, resolution: int | None = None) -> TeacherConfig:
    """The section of a recipe for one that takes a shipped teacher's place, in an actor of its own."""
    assert like.kind in KINDS
    changes = {
        "kind": "benchmarks.artificial:Costly",
        "prompt_suffix": like.kind,
        "guidance_scale": seconds,
        "resolution": resolution or like.resolution,
        "placement": {"cpus": 0.1},
    }
    return TeacherConfig.model_validate(like.model_dump() | changes)
