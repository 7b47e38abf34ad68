"""What networks are made of, without their weights: of published models that may not be here, and of folders."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from infra.weights import find_weights

_UNET = {"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2}
_SD_21 = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
_SD_15 = {"cross_attention_dim": 768, "attention_head_dim": 8}
_CAMERA = {"sample_size": 32, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}
_TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "pad_token_id": 0}
_OPEN_CLIP_H = {
    **_TEXT,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
}
_CLIP_L = {
    **_TEXT,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "stable-diffusion-2-1-base": {"unet": {**_UNET, **_SD_21}, "vae": _VAE, "text_encoder": _OPEN_CLIP_H},
    "mvdream-sd21": {"unet": {**_UNET, **_SD_21, **_CAMERA}, "vae": _VAE, "text_encoder": _OPEN_CLIP_H},
    "richdreamer-nd-mv": {"unet": {**_UNET, **_SD_15, **_CAMERA}, "text_encoder": _CLIP_L},
}
"""Model by its name in the lock file → part → what its `config.json` says beyond the defaults."""


def describe(reference: str) -> dict[str, dict[str, Any]] | None:
    """Part → configuration of a model: of its folder, else of the published one by that name; None for others."""
    folder = find_weights(reference)
    if folder is None:
        return PUBLISHED.get(reference)
    parts = {name: folder / name / "config.json" for name in ("unet", "vae", "text_encoder")}
    return {name: _read(path) for name, path in parts.items() if path.is_file()}


def build(model: Any, config: dict[str, Any]) -> nn.Module:
    """A network of a diffusers or transformers class by its configuration, with random weights."""
    from transformers import PreTrainedModel

    if issubclass(model, PreTrainedModel):
        return model(model.config_class(**config))  # type: ignore[misc]
    return model.from_config(config)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
