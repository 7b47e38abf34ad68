"""Text towers of original checkpoints for transformers' `CLIPTextModel`.

MVDream's is OpenCLIP's, of which all but the last layer are used; RichDreamer's is already transformers' own.
"""

import re
from typing import Any

from torch import Tensor

from infra.errors import InputError
from teachers.convert.tensors import Tensors, numbers, require, require_equal, with_prefix

OPEN_CLIP_PREFIX = "cond_stage_model.model."
HF_PREFIX = "cond_stage_model.transformer."
_HEAD_WIDTH = 64
_NAMES = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_LAYER_NAMES = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_UNUSED = re.compile(r"text_projection|attn_mask|logit_scale|visual\.")
"""Of OpenCLIP: what belongs to the comparison with pictures."""


def convert_open_clip_text_encoder(
    state_dict: Tensors, heads: int | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and state dict of `CLIPTextModel` that gives OpenCLIP's last but one layer, normed.

    Args:
        state_dict: of an original checkpoint; tensors of its other parts are left alone. Names may have lost their
            prefix `cond_stage_model.model.`.
        heads: of attention; default one for each 64 channels.

    Raises:
        InputError: a tensor is missing or belongs nowhere.
    """
    what = "the text encoder"
    tensors = with_prefix(state_dict, OPEN_CLIP_PREFIX)
    last = max(numbers(tensors, r"transformer\.resblocks\.(\d+)\."), default=0)
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in _NAMES:
            converted[_NAMES[name]] = tensor
        elif match := re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", name):
            if int(match[1]) < last:
                converted |= _layer(f"encoder.layers.{match[1]}", match[2], tensor)
        elif not _UNUSED.match(name):
            raise InputError(f"{what} has a tensor that belongs nowhere: {name}")
    return _checked(converted, heads, {"hidden_act": "gelu", "pad_token_id": 0}, what)


def convert_hf_text_encoder(state_dict: Tensors, heads: int | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and state dict of `CLIPTextModel` from a checkpoint that holds one of transformers already.

    Args:
        state_dict: likewise, with the prefix `cond_stage_model.transformer.`.
        heads: likewise.

    Raises:
        InputError: a tensor is missing or belongs nowhere.
    """
    tensors = with_prefix(state_dict, HF_PREFIX)
    converted = {
        name.removeprefix("text_model."): tensor
        for name, tensor in tensors.items()
        if not name.endswith("embeddings.position_ids")  # 0, 1, 2, …
    }
    return _checked(converted, heads, {"hidden_act": "quick_gelu", "pad_token_id": 1}, "the text encoder")


def _layer(place: str, rest: str, tensor: Tensor) -> dict[str, Tensor]:
    if match := re.fullmatch(r"attn\.in_proj_(weight|bias)", rest):
        parts = zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True)
        return {f"{place}.self_attn.{name}.{match[1]}": part.contiguous() for name, part in parts}
    for old, new in _LAYER_NAMES.items():
        if rest.startswith(f"{old}."):
            return {f"{place}.{new}{rest.removeprefix(old)}": tensor}
    raise InputError(f"the text encoder has a tensor that belongs nowhere: {place}.{rest}")


def _checked(
    tensors: dict[str, Tensor], heads: int | None, settings: dict[str, Any], what: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    words = require(tensors, "embeddings.token_embedding.weight", what)
    width = words.shape[1]
    if heads is None and width % _HEAD_WIDTH:
        raise InputError(f"{what} is not as wide as the published one", "say how many heads it has")
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=len(require(tensors, "encoder.layers.0.mlp.fc1.weight", what)),
        num_hidden_layers=len(numbers(tensors, r"encoder\.layers\.(\d+)\.")),
        num_attention_heads=heads or width // _HEAD_WIDTH,
        max_position_embeddings=len(require(tensors, "embeddings.position_embedding.weight", what)),
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        **settings,
    )
    with torch.device("meta"):
        expected = CLIPTextModel(config).state_dict()
    if "text_model.final_layer_norm.weight" in expected:  # transformers before 5.6
        tensors = {f"text_model.{name}": tensor for name, tensor in tensors.items()}
    require_equal(expected, tensors, what)
    return config.to_dict(), tensors
