"""Tensors of the original latent-diffusion (LDM) checkpoints under the names of diffusers, for the multi-view teachers.

The multi-view U-Nets are the ordinary ones plus a camera MLP, which diffusers has as the `projection` class embedding.
Tensors are never reshaped, but for the VAE's attention, whose 1x1 convolutions are linear layers in diffusers. Load
the result strictly: a tensor that is left out would stay random.
"""

import re
from collections.abc import Mapping

from torch import Tensor

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."

_UNET_NAMES = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "camera_embed.0": "class_embedding.linear_1",
    "camera_embed.2": "class_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESNET_NAMES = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_MIDDLE_NAMES = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_VAE_ATTENTION_NAMES = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def unet_from_ldm(checkpoint: Mapping[str, Tensor], layers_per_block: int = 2) -> dict[str, Tensor]:
    """The U-Net of an LDM checkpoint as a state dict of `UNet2DConditionModel`; everything else is left out."""
    return {
        _unet_name(name.removeprefix(UNET_PREFIX), layers_per_block + 1): tensor
        for name, tensor in checkpoint.items()
        if name.startswith(UNET_PREFIX)
    }


def vae_from_ldm(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder of an LDM checkpoint as a state dict of `AutoencoderKL`; training losses are left out."""
    tensors = {
        name.removeprefix(VAE_PREFIX): tensor
        for name, tensor in checkpoint.items()
        if name.startswith(VAE_PREFIX) and not name.startswith(f"{VAE_PREFIX}loss.")
    }
    levels = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"decoder\.up\.(\d+)\.", name)))
    converted = {}
    for name, tensor in tensors.items():
        is_matrix = re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight$", name)
        converted[_vae_name(name, levels)] = tensor.flatten(1) if is_matrix else tensor
    return converted


def _unet_name(name: str, per_level: int) -> str:
    for old, new in _UNET_NAMES.items():
        if name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    if match := re.fullmatch(r"middle_block\.(\d)\.(.+)", name):
        return f"mid_block.{_MIDDLE_NAMES[match[1]]}.{_resnet_name(match[2])}"
    match = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", name)
    if match is None:
        raise KeyError(f"{UNET_PREFIX}{name} is no tensor of an LDM U-Net")
    side, index, part, rest = match[1], int(match[2]), match[3], match[4]
    level, place = divmod(index - 1 if side == "input" else index, per_level)
    block = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
    if rest.startswith("op."):
        return f"{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
    if rest.startswith("conv."):
        return f"{block}.upsamplers.0.{rest}"
    if part == "0":
        return f"{block}.resnets.{place}.{_resnet_name(rest)}"
    return f"{block}.attentions.{place}.{rest}"


def _resnet_name(rest: str) -> str:
    for old, new in _RESNET_NAMES.items():
        if rest.startswith(f"{old}."):
            return new + rest.removeprefix(old)
    return rest


def _vae_name(name: str, levels: int) -> str:
    name = name.replace("norm_out.", "conv_norm_out.").replace("nin_shortcut.", "conv_shortcut.")
    name = re.sub(r"down\.(\d+)\.block\.(\d+)", r"down_blocks.\1.resnets.\2", name)
    name = re.sub(r"down\.(\d+)\.downsample", r"down_blocks.\1.downsamplers.0", name)
    name = re.sub(
        r"up\.(\d+)\.block\.(\d+)", lambda match: f"up_blocks.{levels - 1 - int(match[1])}.resnets.{match[2]}", name
    )
    name = re.sub(r"up\.(\d+)\.upsample", lambda match: f"up_blocks.{levels - 1 - int(match[1])}.upsamplers.0", name)
    name = re.sub(r"mid\.block_(\d)", lambda match: f"mid_block.resnets.{int(match[1]) - 1}", name)
    return re.sub(r"mid\.attn_1\.(\w+)", lambda match: f"mid_block.attentions.0.{_VAE_ATTENTION_NAMES[match[1]]}", name)
