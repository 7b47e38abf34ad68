"""The miniature teachers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teachers.config import TeacherConfig

RESOLUTIONS = {"stable_diffusion": 64, "mvdream": 64, "richdreamer": 16}


@pytest.fixture(scope="session")
def configure(miniature: Path) -> Callable[..., TeacherConfig]:
    """`configure("mvdream", shift=0.1)`: the section of a recipe."""

    def build(kind: str, **changes: Any) -> TeacherConfig:
        defaults = {
            "kind": kind,
            "weights": str(miniature / kind.replace("_", "-") if kind in RESOLUTIONS else miniature),
            "resolution": RESOLUTIONS.get(kind, 8),
            "guidance_scale": 7.5,
            "placement": "local",
        }
        return TeacherConfig.model_validate({**defaults, **changes})

    return build
