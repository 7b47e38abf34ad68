"""A small CLIP as an ordinary open_clip folder, and a box whose faces tell where one looks from."""

import json
from pathlib import Path

import pytest
import torch

from evaluation.config import ClipConfig, EvaluationConfig, GateConfig, ViewsConfig
from prd.mesh import Mesh

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}

RED, GREEN, BLUE, YELLOW, BLACK = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip folder with random weights."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(13)  # cosines come out positive and differ
    model = open_clip.CLIP(**TINY_CLIP)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP, "preprocess_cfg": PREPROCESS}))
    return folder


@pytest.fixture
def config(clip_folder: Path) -> EvaluationConfig:
    """Small pictures, two views, and a gate that a random CLIP can pass."""
    return EvaluationConfig(
        views=ViewsConfig(resolution=64, azimuths_deg=(0.0, 90.0)),
        clip=ClipConfig(weights=str(clip_folder)),
        gate=GateConfig(max_failed_fraction=0.5),
    )


def box(front=RED, back=BLUE, right=GREEN, left=YELLOW, top=BLACK, bottom=BLACK, sides=(1.0, 1.0, 1.0)) -> Mesh:
    """A box with one colour a face: front +x, back -x, right +y (as seen from the front), left -y."""
    vertices, faces, colours = [], [], []
    for axis, sign, colour in (
        (0, 1, front),
        (0, -1, back),
        (1, 1, right),
        (1, -1, left),
        (2, 1, top),
        (2, -1, bottom),
    ):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        start = len(vertices)
        for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            corner = [0.0, 0.0, 0.0]
            corner[axis], corner[first], corner[second] = sign, u * sign, v
            vertices.append(corner)
            colours.append(colour)
        faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    return Mesh(
        vertices=torch.tensor(vertices) * torch.tensor(sides) / 2,
        faces=torch.tensor(faces),
        colours=torch.tensor(colours),
    )


@pytest.fixture
def make_box():
    return box


@pytest.fixture
def write_glb():
    """Writes a mesh the way the product's exporter is called."""

    def write(mesh: Mesh, path: Path) -> None:
        mesh.to_trimesh().export(path)

    return write


@pytest.fixture
def scored(config: EvaluationConfig):
    """Makes a report with given headline numbers: 20 prompts, the first `failed` of them without a mesh."""
    from evaluation.protocol import protocol_for
    from evaluation.report import Counts, EvaluationReport, Score, Scores

    def score(x100: float) -> Score:
        return Score(raw=x100 / 100, x100=x100, low95=x100 - 1, high95=x100 + 1)

    def make(
        clip_score: float = 60.0, r_at_1: float = 20.0, failed: int = 0, checkpoint: str = "c"
    ) -> EvaluationReport:
        return EvaluationReport(
            created="2025-01-01T00:00:00+00:00",
            protocol=protocol_for(config, ["a red box"]),
            context={"checkpoint": checkpoint, "corpus_version": "corpus-1", "recipe_digest": "recipe-1"},
            scores=Scores(clip_score=score(clip_score), r_at_1=score(r_at_1), r_at_1_pooled=score(r_at_1)),
            counts=Counts(prompts=20, meshes=20, failed=failed, images=80, images_rendered=80 - 4 * failed),
            meshes=(),
            timings={},
        )

    return make
