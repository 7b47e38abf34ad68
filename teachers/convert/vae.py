"""The autoencoder of an LDM checkpoint for diffusers' `AutoencoderKL`.

No tensor is reshaped but those of the middle attention, whose 1x1 convolutions are linear layers in diffusers.
"""

import re
from typing import Any

from torch import Tensor

from teachers.convert.tensors import Tensors, compare, numbers, require, settle, with_prefix

PREFIX = "first_stage_model."
_ALIASES = {"norm_groups": "norm_num_groups", "num_res_blocks": "layers_per_block"}
_ATTENTION_NAMES = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_WHAT = "the autoencoder"


def convert_vae(state_dict: Tensors, **config: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and state dict of `AutoencoderKL`, of any width.

    Args:
        state_dict: of an original checkpoint; tensors of its other parts, and its training losses, are left alone.
            Names may have lost their prefix `first_stage_model.`.
        config: what shapes cannot tell, under diffusers' names or those of the original: `norm_num_groups` or
            `norm_groups` (default 32), `scaling_factor` (default 0.18215).

    Raises:
        InputError: a tensor is missing or belongs nowhere, or `config` contradicts them.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    tensors = {name: tensor for name, tensor in with_prefix(state_dict, PREFIX).items() if not name.startswith("loss.")}
    told = settle(_sizes(tensors), config, _ALIASES, AutoencoderKL, _WHAT)
    settled = {"norm_num_groups": 32, "scaling_factor": 0.18215, **told}
    levels = len(settled["block_out_channels"])
    converted = {}
    for name, tensor in tensors.items():
        is_matrix = re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight$", name)
        converted[_name(name, levels)] = tensor.flatten(1) if is_matrix else tensor
    compare(AutoencoderKL, settled, converted, _WHAT)
    return settled, converted


def _sizes(tensors: Tensors) -> dict[str, Any]:
    levels = len(numbers(tensors, r"encoder\.down\.(\d+)\."))
    weights = [require(tensors, f"encoder.down.{level}.block.0.conv1.weight", _WHAT) for level in range(max(levels, 1))]
    return {
        "in_channels": require(tensors, "encoder.conv_in.weight", _WHAT).shape[1],
        "out_channels": len(require(tensors, "decoder.conv_out.weight", _WHAT)),
        "latent_channels": require(tensors, "post_quant_conv.weight", _WHAT).shape[1],
        "block_out_channels": [len(weight) for weight in weights],
        "layers_per_block": len(numbers(tensors, r"encoder\.down\.0\.block\.(\d+)\.")),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def _name(name: str, levels: int) -> str:
    name = name.replace("norm_out.", "conv_norm_out.").replace("nin_shortcut.", "conv_shortcut.")
    name = re.sub(r"down\.(\d+)\.block\.(\d+)", r"down_blocks.\1.resnets.\2", name)
    name = re.sub(r"down\.(\d+)\.downsample", r"down_blocks.\1.downsamplers.0", name)
    name = re.sub(
        r"up\.(\d+)\.block\.(\d+)", lambda match: f"up_blocks.{levels - 1 - int(match[1])}.resnets.{match[2]}", name
    )
    name = re.sub(r"up\.(\d+)\.upsample", lambda match: f"up_blocks.{levels - 1 - int(match[1])}.upsamplers.0", name)
    name = re.sub(r"mid\.block_(\d)", lambda match: f"mid_block.resnets.{int(match[1]) - 1}", name)
    attention = "|".join(_ATTENTION_NAMES)
    return re.sub(
        rf"mid\.attn_1\.({attention})\.", lambda match: f"mid_block.attentions.0.{_ATTENTION_NAMES[match[1]]}.", name
    )
