"""Training the miniature CLIPs, and their text tower's way into a diffusers folder.

Legend: B scenes and their captions, R picture size, L tokens, D feature size.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.miniature.album import VIEWS, Album, colours_of
from teachers.miniature.captions import caption
from teachers.miniature.scene import Scene
from teachers.miniature.world import paint

if TYPE_CHECKING:
    import open_clip
    from transformers import CLIPTextModel, CLIPTokenizer


def contrastive_loss(
    clip: "open_clip.CLIP",
    tokenizer: "CLIPTokenizer",
    album: Album,
    scenes: Sequence[Scene],
    count: int,
    pixels: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """CLIP's loss on `count` different scenes, half of them beside the same words in another order.

    Args:
        clip: in training.
        tokenizer: its.
        album: pictures.
        scenes: to draw from.
        count: B.
        pixels: mean and standard deviation that pictures are normalised with.
        generator: of all randomness.
    """
    drawn = _with_rivals(scenes, count, generator)
    mean, deviation = (values.view(1, 3, 1, 1) for values in pixels)
    images = (_as_judged(album, drawn, generator) - mean) / deviation
    draws = torch.rand(len(drawn), 3, generator=generator).tolist()
    texts = [caption(scene, *manner) for scene, manner in zip(drawn, draws, strict=True)]
    tokens = tokenizer(
        texts, padding="max_length", truncation=True, max_length=clip.context_length, return_tensors="pt"
    ).input_ids
    image_features, text_features, scale = clip(images, tokens)[:3]
    logits = scale.clamp(max=100) * image_features @ text_features.T
    own = torch.arange(len(drawn))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def text_tower(clip: "open_clip.CLIP", encoder: "CLIPTextModel") -> "CLIPTextModel":
    """Copy a CLIP's text tower into the `CLIPTextModel` of the same size; every tensor is accounted for."""
    state = clip.state_dict()
    copied: dict[str, Tensor] = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
        "final_layer_norm.weight": state["ln_final.weight"],
        "final_layer_norm.bias": state["ln_final.bias"],
    }
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj"}
    names |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for layer in range(encoder.config.num_hidden_layers):
        ours, theirs = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            for source, target in names.items():
                copied[f"{theirs}{target}.{kind}"] = state[f"{ours}{source}.{kind}"]
            parts = state[f"{ours}attn.in_proj_{kind}"].chunk(3)
            for projection, part in zip("qkv", parts, strict=True):
                copied[f"{theirs}self_attn.{projection}_proj.{kind}"] = part
    prefix = "text_model." if any(name.startswith("text_model.") for name in encoder.state_dict()) else ""
    encoder.load_state_dict({prefix + name: tensor for name, tensor in copied.items()}, strict=True)
    return encoder


def _with_rivals(scenes: Sequence[Scene], count: int, generator: torch.Generator) -> list[Scene]:
    drawn: dict[str, Scene] = {}
    order = torch.randperm(len(scenes), generator=generator).tolist()
    for index in order:
        scene = scenes[index]
        rivals = [scene]
        if scene.below and len(drawn) < count // 2:
            colour, solid = scene.below
            rivals += [Scene(colour, scene.solid, below=(scene.colour, solid))]
            rivals += [Scene(colour, solid, below=(scene.colour, scene.solid))]
        drawn |= {str(rival): rival for rival in rivals}
        if len(drawn) >= count:
            break
    return list(drawn.values())[:count]


def _as_judged(album: Album, scenes: Sequence[Scene], generator: torch.Generator) -> Tensor:  # -> [B, 3, R, R]
    """A picture of each scene as the meshes of an evaluation come: nearer or farther, lit or not, less than perfect."""
    count = len(scenes)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    batch = album.take(scenes, generator)
    first = torch.arange(count) * VIEWS + torch.randint(VIEWS, (count,), generator=generator)
    shading, opacity = batch.layers.shading[first], batch.layers.opacity[first]
    coverage = shading / shading.sum(1, keepdim=True).clamp(min=1e-3) * opacity
    shading = torch.lerp(shading, coverage, uniform(0.0, 1.0, 1, 1, 1))
    colours = (colours_of(scenes) + 0.04 * torch.randn(count, 2, 3, generator=generator)).clamp(0, 1)
    pictures = paint(shading, opacity, colours)

    zoom = uniform(0.85, 1.35)
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = zoom
    turn[:, :, 2] = uniform(-0.1, 0.1, 2)
    grid = F.affine_grid(turn, list(pictures.shape), align_corners=False)
    pictures = 1.0 - F.grid_sample(1.0 - pictures, grid, align_corners=False)
    small = F.interpolate(F.avg_pool2d(pictures, 2), pictures.shape[-2:], mode="bilinear", align_corners=False)
    pictures = torch.lerp(pictures, small, uniform(0.0, 1.0, 1, 1, 1))
    noise = 0.05 * uniform(0.0, 1.0, 1, 1, 1) * torch.randn(pictures.shape, generator=generator)
    return (pictures + noise).clamp(0, 1)


def pixel_statistics(config: dict[str, Any]) -> tuple[Tensor, Tensor]:  # [3], [3]
    """Mean and standard deviation of `preprocess_cfg`."""
    return torch.tensor(config["mean"]), torch.tensor(config["std"])
