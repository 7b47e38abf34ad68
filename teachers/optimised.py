"""Pictures made by a teacher's gradient alone: whether distillation from it can work at all.

What is optimised are the pixels themselves, so nothing of a student stands between a teacher's opinion and what comes
of it. A teacher whose samples are good and whose optimised pictures are not has an encoder with a useless derivative.

They begin as a renderer shows an empty scene. The gradient is the difference that the prompt makes, so it says nothing
of what all prompts share: before grey, no teacher asks for a white background.

Legend: B prompts, V views a prompt, N = B*V, C channels, R picture size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from infra.seeds import derive_seed
from teachers.config import TeacherConfig
from teachers.contract import MAP_CHANNELS, TeacherRequest
from teachers.maps import empty_views, teacher_pixels
from teachers.registry import load_teacher
from teachers.sampling import as_pictures, sampling_cameras


def optimise_pixels(
    name: str,
    config: TeacherConfig,
    prompts: Sequence[str],
    seed: int,
    device: torch.device,
    steps: int = 150,
    learning_rate: float = 0.03,
) -> Tensor:  # [B, V, R, R, 3] uint8
    """Descend a teacher's gradient from pictures of nothing, by Adam.

    Args:
        name: the teacher's in the recipe.
        config: its section; its ramps run from the first step to the last.
        prompts: what the pictures should become.
        seed: names all randomness.
        device: where its networks go.
        steps: calls of the teacher.
        learning_rate: a step's size for pixels in [0, 1].

    Returns:
        The first three channels of what it looks at: colours, or normals.

    Raises:
        MissingError: its weights are not here.
    """
    teacher = load_teacher(name, config, device)
    spec = teacher.spec
    cameras = sampling_cameras(len(prompts), spec.views).to(device)
    pixels = teacher_pixels(empty_views(len(cameras), spec.resolution), spec).to(device).requires_grad_()
    optimiser = torch.optim.Adam([pixels], learning_rate)
    for step in range(steps):
        request = TeacherRequest(
            pixels=pixels.detach(),
            c2w=cameras.c2w,
            relative_distance=cameras.relative_distance,
            prompts=tuple(prompts),
            progress=step / steps,
            seed=derive_seed(seed, "optimise", step),
        )
        pixels.grad = teacher(request).gradient.to(pixels)
        optimiser.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return as_pictures(pixels.detach()[:, : MAP_CHANNELS[spec.maps[0]]], len(prompts))
