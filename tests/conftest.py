"""Settings for the whole suite: no network, nothing written outside temporary folders, quiet libraries."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    NO_COLOR="1",
    OMP_NUM_THREADS="1",
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",  # loopback only
)

from infra.environment import prepare_environment

prepare_environment()

import pytest
import torch
from safetensors.torch import load_file

from teachers.config import TeacherConfig

GOLDEN = Path(__file__).parent / "golden"
RESOLUTIONS = {"stable_diffusion": 64, "mvdream": 64, "richdreamer": 16}


@dataclass(frozen=True)
class Golden:
    """Vectors of a reference implementation, with the side file that describes them."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.tensors[name]

    def group(self, prefix: str) -> dict[str, torch.Tensor]:
        """Tensors below `prefix`, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


@pytest.fixture(scope="session")
def golden():
    """`golden("render/neus")` reads `tests/golden/render/neus.{safetensors,json}`."""

    def read(name: str) -> Golden:
        tensors = GOLDEN / f"{name}.safetensors"
        return Golden(
            load_file(tensors) if tensors.exists() else {},
            json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")),
        )

    return read


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all miniature models, inside one that can serve as `$PRD_WEIGHTS`."""
    folder = tmp_path_factory.mktemp("weights") / "miniature"
    shutil.copytree(Path(__file__).parents[1] / "teachers" / "miniature" / "weights", folder)
    return folder


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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, miniature: Path) -> Iterator[Path]:
    """A fresh `$PRD_HOME`, with the miniature models at hand."""
    from infra.settings import settings

    monkeypatch.setenv("PRD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PRD_WEIGHTS", str(miniature.parent))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store; bringing it to its schema takes seconds, so it is done once."""
    from infra.tracking import open_store

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    open_store(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(mlflow_store: Path, tmp_path: Path) -> str:
    """Address of an empty store of one's own."""
    shutil.copy(mlflow_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"
