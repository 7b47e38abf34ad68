"""A teacher's own samples: what it would draw itself, to see what a student can learn from it.

Legend: B prompts, V views a prompt, N = B*V, R picture size, c, h, w the latent's shape.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.errors import RecipeError
from infra.seeds import generator_for
from teachers.base import DiffusionTeacher
from teachers.cameras import Cameras, orbit
from teachers.config import TeacherConfig
from teachers.contract import TeacherRequest
from teachers.folder import load_sampler, load_vae
from teachers.guidance import classifier_free_guidance
from teachers.registry import load_teacher

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

_TOGETHER = 16  # prompts
_ELEVATION_DEG, _FOV_DEG, _RELATIVE_DISTANCE = 15.0, 60.0, 0.95


def sample_teacher(
    name: str,
    config: TeacherConfig,
    prompts: Sequence[str],
    seed: int,
    device: torch.device,
    steps: int = 30,
    guidance_scale: float = 2.0,
) -> Tensor:  # [B, V, R, R, 3] uint8
    """Pictures of prompts, by deterministic (DDIM) sampling.

    Args:
        name: the teacher's in the recipe.
        config: its section.
        prompts: what to draw.
        seed: of the noise.
        device: where its networks go.
        steps: of the sampler.
        guidance_scale: of classifier-free guidance. What distillation uses is too much for sampling; in the
            miniature's narrow world anything above 2 makes small parts grow.

    Returns:
        Colours, or the normals of a teacher of geometry; a multi-view teacher's views start at the front.

    Raises:
        RecipeError: it is a teacher of one's own that is no `DiffusionTeacher`.
        MissingError: its weights are not here.
    """
    teacher = load_teacher(name, config, device)
    if not isinstance(teacher, DiffusionTeacher):
        raise RecipeError(f"teachers.{name}: a {config.kind} cannot be sampled", "derive it from DiffusionTeacher")
    vae = load_vae(teacher.folder, device, torch.float32) if (teacher.folder / "vae").is_dir() else None
    maps = []
    for start in range(0, len(prompts), _TOGETHER):
        latents = _sample(teacher, vae, prompts[start : start + _TOGETHER], seed, steps, guidance_scale)
        if vae is not None:
            with torch.no_grad():
                latents = vae.decode(latents / vae.config["scaling_factor"], return_dict=False)[0]
        maps.append(latents[:, :3])
    return as_pictures((torch.cat(maps) + 1) / 2, len(prompts))


def as_pictures(maps: Tensor, prompts: int) -> Tensor:  # [N, 3, R, R] in [0, 1] -> [B, V, R, R, 3] uint8
    """Maps as pictures on the CPU, prompt by prompt; what lies outside the range is cut."""
    pictures = maps.unflatten(0, (prompts, -1)).permute(0, 1, 3, 4, 2)
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def sampling_cameras(prompts: int, views: int) -> Cameras:  # prompts * views
    """Where a multi-view teacher's samples are seen from: evenly around, the first from the front."""
    azimuths = (torch.arange(views) * (360.0 / views)).repeat(prompts)
    distance = _RELATIVE_DISTANCE / torch.tan(torch.deg2rad(torch.tensor(_FOV_DEG / 2)))
    return orbit(azimuths, _ELEVATION_DEG, distance, _FOV_DEG)


@torch.no_grad()
def _sample(
    teacher: DiffusionTeacher,
    vae: "AutoencoderKL | None",
    prompts: Sequence[str],
    seed: int,
    steps: int,
    scale: float,
) -> Tensor:  # [N, c, h, w]
    views, size = teacher.views, teacher.config.resolution
    if vae is not None:
        size //= 2 ** (len(vae.config["block_out_channels"]) - 1)
    around = sampling_cameras(len(prompts), views)
    request = TeacherRequest(torch.empty(0), around.c2w, around.relative_distance, tuple(prompts), 0.0, seed)
    cameras = teacher.cameras(request)

    suffix = teacher.config.prompt_suffix
    text = teacher.text.encode([prompt + suffix for prompt in prompts]).repeat_interleave(views, dim=0)
    negative = teacher.text.encode([teacher.config.negative_prompt]).expand_as(text)
    # Each prompt's own noise, so that it does not matter what is drawn beside it.
    shape = (views, teacher.unet.config["in_channels"], size, size)
    noise = [torch.randn(shape, generator=generator_for(seed, "sample", prompt)) for prompt in prompts]
    latents = torch.cat(noise).to(teacher.device)
    sampler = load_sampler(teacher.folder)
    sampler.set_timesteps(steps)
    for timestep in sampler.timesteps:
        now = timestep.expand(len(latents)).to(teacher.device)
        guided, unguided = teacher.predict([(latents, now, text), (latents, now, negative)], cameras)
        predicted = classifier_free_guidance(guided, unguided, scale)
        latents = sampler.step(predicted, int(timestep), latents, return_dict=False)[0]
    return latents
