"""The U-Net of an LDM checkpoint for diffusers' `UNet2DConditionModel`.

The multi-view U-Nets are the ordinary ones plus a camera MLP, which diffusers has as the `projection` class embedding.
No tensor is reshaped.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from infra.errors import InputError
from teachers.convert.tensors import Tensors, compare, numbers, require, settle, with_prefix

PREFIX = "model.diffusion_model."
_ALIASES = {
    "heads_per_level": "attention_head_dim",
    "norm_groups": "norm_num_groups",
    "num_res_blocks": "layers_per_block",
    "context_dim": "cross_attention_dim",
    "camera_dim": "projection_class_embeddings_input_dim",
    "transformer_depth": "transformer_layers_per_block",
}
CAMERA_NUMBERS = 16


@dataclass(frozen=True)
class _Kind:
    """What tells one family from another."""

    linear: bool
    """Whether transformers are entered by linear layers, as in Stable Diffusion 2, or by 1x1 convolutions, as in 1."""
    camera: bool
    head_width: int | None = None
    """Channels of a head, where that is fixed."""
    heads: int | None = None
    """Heads on every level, where that is."""


_KINDS = {
    "stable_diffusion": _Kind(linear=True, camera=False, head_width=64),
    "mvdream": _Kind(linear=True, camera=True, head_width=64),
    "richdreamer": _Kind(linear=False, camera=True, heads=8),
}

_NAMES = {
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


def convert_unet(
    state_dict: Tensors, kind: Literal["stable_diffusion", "mvdream", "richdreamer"], **config: Any
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and state dict of `UNet2DConditionModel`, of any width.

    Args:
        state_dict: of an original checkpoint; tensors of its other parts are left alone. Names may have lost their
            prefix `model.diffusion_model.`.
        kind: the family.
        config: what shapes cannot tell, under diffusers' names or those of the original: `attention_head_dim` or
            `heads_per_level` (diffusers' name notwithstanding, the *number* of heads, of all levels or of each;
            default 64 channels a head, for richdreamer 8 heads) and `norm_num_groups` or `norm_groups` (default 32).

    Raises:
        InputError: a tensor is missing or belongs nowhere, the file is of another family, or `config` contradicts it.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    what = f"the {kind} U-Net"
    if kind not in _KINDS:
        raise InputError(f"there is no kind {kind!r} of U-Net", f"one of {', '.join(_KINDS)}")
    tensors = with_prefix(state_dict, PREFIX)
    settled = settle(_sizes(tensors, _KINDS[kind], what), config, _ALIASES, UNet2DConditionModel, what)
    settled.setdefault("norm_num_groups", 32)
    if settled.get("attention_head_dim") is None:
        settled["attention_head_dim"] = _heads(_KINDS[kind], settled["block_out_channels"], what)
    per_level = settled["layers_per_block"] + 1
    converted = {_name(name, per_level, what): tensor for name, tensor in tensors.items()}
    compare(UNet2DConditionModel, settled, converted, what)
    return settled, converted


def _sizes(tensors: Tensors, kind: _Kind, what: str) -> dict[str, Any]:
    """All of the configuration that shapes tell."""
    first = require(tensors, "input_blocks.0.0.weight", what)
    downsamplers = numbers(tensors, r"input_blocks\.(\d+)\.0\.op\.weight")
    blocks = numbers(tensors, r"input_blocks\.(\d+)\.0\.in_layers\.0\.weight")
    per_level = downsamplers[0] if downsamplers else len(blocks) + 1
    starts = [1, *(index + 1 for index in downsamplers)]
    channels = [len(require(tensors, f"input_blocks.{start}.0.out_layers.3.weight", what)) for start in starts]
    attends = [f"input_blocks.{start}.1.proj_in.weight" in tensors for start in starts]
    entry = require(tensors, "middle_block.1.proj_in.weight", what)
    context = require(tensors, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", what)
    if (entry.dim() == 2) != kind.linear:
        versions = ("2", "1") if kind.linear else ("1", "2")
        raise InputError(
            f"{what} is of another family: wanted is one of Stable Diffusion {versions[0]}, whose transformers are "
            f"entered otherwise than this one's, of Stable Diffusion {versions[1]}"
        )
    camera = tensors.get("camera_embed.0.weight")
    if kind.camera and (camera is None or camera.shape[1] != CAMERA_NUMBERS):
        raise InputError(f"{what} has no camera_embed for {CAMERA_NUMBERS} numbers: it is no multi-view model")
    sizes: dict[str, Any] = {
        "in_channels": first.shape[1],
        "out_channels": len(require(tensors, "out.2.weight", what)),
        "block_out_channels": channels,
        "layers_per_block": per_level - 1,
        "down_block_types": ["CrossAttnDownBlock2D" if it else "DownBlock2D" for it in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if it else "UpBlock2D" for it in reversed(attends)],
        "cross_attention_dim": context.shape[1],
        "transformer_layers_per_block": 1 + max(numbers(tensors, r".*\.transformer_blocks\.(\d+)\."), default=0),
        "use_linear_projection": kind.linear,
    }
    if camera is not None:
        sizes |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": camera.shape[1]}
    return sizes


def _heads(kind: _Kind, channels: list[int], what: str) -> int | list[int]:
    if kind.heads is not None:
        return kind.heads
    assert kind.head_width is not None
    if any(width % kind.head_width for width in channels):
        raise InputError(f"{what} is not as wide as the published one", "say how many heads it has: attention_head_dim")
    return [width // kind.head_width for width in channels]


def _name(name: str, per_level: int, what: str) -> str:
    for old, new in _NAMES.items():
        if name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    if match := re.fullmatch(r"middle_block\.([012])\.(.+)", name):
        return f"mid_block.{_MIDDLE_NAMES[match[1]]}.{_resnet_name(match[2])}"
    match = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", name)
    if match is None:
        raise InputError(f"{what} has a tensor that belongs nowhere: {name}")
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
