"""Folders of the miniature models: the layout of the real ones, sizes for a CPU, seeded random weights.

Pictures of 64 x 64 become latents of 8 x 8; the geometry model takes maps of 8 x 8 or 16 x 16 as they are.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.artifacts import finish
from infra.seeds import derive_seed, generator_for
from teachers.miniature.tokenizer import LENGTH, build_tokenizer

if TYPE_CHECKING:
    from torch import nn

_REVISION = "1"
"""Changes when the models below do, so that older folders are made anew."""

_UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 64,
    "attention_head_dim": (2, 4),  # diffusers' old name for the number of heads
    "norm_num_groups": 8,
}
_LINEAR = {"use_linear_projection": True}
_CAMERA = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (16, 32, 32, 32),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 64,
    "scaling_factor": 0.18215,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "projection_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
}
_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
_CLIP = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    # The vocabulary of the tokenizer that open_clip brings along.
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
_CLIP_PIXELS = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def build_miniature(folder: Path, seed: int = 0) -> bool:
    """Write the models that are not there yet.

    Args:
        folder: usually `$PRD_WEIGHTS/miniature`.
        seed: names all their random numbers.

    Returns:
        True when anything was built.

    Raises:
        BusyError: another run is building one of them.
    """
    builders = {
        "stable-diffusion": _stable_diffusion,
        "mvdream": _mvdream,
        "richdreamer": _richdreamer,
        "clip-evaluation": _clip,
    }
    inputs = {"models": _REVISION, "seed": str(seed)}
    built = [
        finish(folder / name, kind="weights", inputs=inputs, build=partial(build, seed=seed))
        for name, build in builders.items()
    ]
    return any(built)


def _stable_diffusion(folder: Path, seed: int) -> Mapping[str, Any]:
    from diffusers import StableDiffusionPipeline

    parts = _parts(derive_seed(seed, "sd2"), unet={**_UNET, **_LINEAR}, vae=True, pad_token="!")
    absent: dict[str, Any] = {"safety_checker": None, "feature_extractor": None}
    StableDiffusionPipeline(**parts, **absent, requires_safety_checker=False).save_pretrained(folder)
    return _facts(parts)


def _mvdream(folder: Path, seed: int) -> Mapping[str, Any]:
    # The same text tower and autoencoder as above, as with the real ones.
    parts = _parts(derive_seed(seed, "sd2"), unet={**_UNET, **_LINEAR, **_CAMERA}, vae=True, pad_token="!")
    return _save(parts, folder)


def _richdreamer(folder: Path, seed: int) -> Mapping[str, Any]:
    parts = _parts(derive_seed(seed, "sd1"), unet={**_UNET, **_CAMERA}, vae=False, pad_token="<|endoftext|>")
    return _save(parts, folder)


def _clip(folder: Path, seed: int) -> Mapping[str, Any]:
    import open_clip
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "clip"))  # open_clip draws from the global generator
        model = open_clip.CLIP(**_CLIP)
    config = {"model_cfg": _CLIP, "preprocess_cfg": _CLIP_PIXELS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return _facts({"clip": model})


def _parts(seed: int, *, unet: Mapping[str, Any], vae: bool, pad_token: str) -> dict[str, Any]:
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # these files are small
    tokenizer: Any = build_tokenizer(pad_token)
    text = CLIPTextConfig(
        **_TEXT,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    models: dict[str, nn.Module] = {"unet": UNet2DConditionModel(**unet), "text_encoder": CLIPTextModel(text)}
    if vae:
        models["vae"] = AutoencoderKL(**_VAE)
    for name, model in models.items():
        _randomise(model, seed, name)
    return {**models, "tokenizer": tokenizer, "scheduler": DDPMScheduler(**_SCHEDULER)}


def _randomise(model: "nn.Module", seed: int, name: str) -> None:
    """Weights under which signals keep their size, so that outputs depend on every input even before training."""
    import torch

    generator = generator_for(seed, name)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * noise + (1.0 if "norm" in key and key.endswith("weight") else 0.0))


def _save(parts: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    return _facts(parts)


def _facts(parts: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{name}_parameters": sum(parameter.numel() for parameter in part.parameters())
        for name, part in parts.items()
        if hasattr(part, "parameters")
    }
