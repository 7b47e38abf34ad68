"""A look at a training run: the same prompts, drawn at every checkpoint.

Legend: B prompts, V views, R picture size.
"""

from pathlib import Path

import torch
from torch import Tensor

from infra.seeds import generator_for
from prd.config import MeshConfig
from prd.generator import TriplaneGenerator
from prd.render.mesh import render_mesh
from teachers.cameras import orbit

_AZIMUTHS = (0.0, 90.0, 180.0, 270.0)
_LOOK = MeshConfig(resolution=128, surface_resolution=48)


@torch.no_grad()
def sample_sheet(student: TriplaneGenerator, text: Tensor, seed: int) -> Tensor:
    """Render new objects from four sides.

    Args:
        student: in training; with sharded weights every process must call this.
        text: embeddings of the prompts, `[B, L, D]`.
        seed: names the noise, so that sheets of one run can be compared.

    Returns:
        A row of pictures for each prompt, `[B*R, V*R, 3]` in [0, 1].
    """
    prompts, views = len(text), len(_AZIMUTHS)
    fields = student.sample(student.initial_noise(prompts, generator_for(seed, "samples")), text)
    cameras = orbit(torch.tensor(_AZIMUTHS).repeat(prompts), 15.0, 2.5, 50.0).to(text.device)
    pictures = render_mesh(fields, cameras, torch.ones(prompts * views, 3, device=text.device), _LOOK).rgb
    rows = pictures.unflatten(0, (prompts, views)).permute(0, 2, 1, 3, 4)  # [B, R, V, R, 3]
    return rows.flatten(2, 3).flatten(0, 1)


def write_picture(picture: Tensor, path: Path) -> None:  # [H, W, 3] in [0, 1]
    """Write a PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture.clamp(0, 1) * 255).round().byte().cpu().numpy()).save(path)
