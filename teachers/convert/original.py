"""Whole files: read safely, every tensor accounted for, written as a diffusers folder with a manifest."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from torch import Tensor

from infra.artifacts import finish, sha256
from infra.errors import InputError, MissingError
from teachers.convert import text, unet, vae
from teachers.convert.tensors import Tensors, compare
from teachers.convert.tokenizer import clip_tokenizer

_SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_SAMPLER = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon"}
_UNUSED = re.compile(
    r"(sqrt_|log_)?(recip_|recipm1_|one_minus_)?alphas_cumprod(_prev)?|betas|posterior_\w+|lvlb_weights|logvar"
    r"|scale_factor|first_stage_model\.loss\..*"
)
"""Buffers of the noise schedule and training losses."""


@dataclass(frozen=True)
class Family:
    """What is in a file, and what becomes of it."""

    kind: Literal["mvdream", "richdreamer"]
    weights: str
    """Name of the lock file that recipes call the folder by."""
    convert_text: Callable[..., tuple[dict[str, Any], dict[str, Tensor]]]
    text_prefix: str
    pad_token: str
    has_vae: bool


FAMILIES = {
    "mvdream": Family(
        "mvdream", "mvdream-sd21", text.convert_open_clip_text_encoder, text.OPEN_CLIP_PREFIX, "!", has_vae=True
    ),
    "richdreamer": Family(
        "richdreamer", "richdreamer-nd-mv", text.convert_hf_text_encoder, text.HF_PREFIX, "<|endoftext|>", has_vae=False
    ),
}
"""By name on the command line. RichDreamer's maps are its latents: an autoencoder in its file is not used."""


@dataclass(frozen=True)
class Told:
    """What shapes cannot tell of a network that is not as wide as the published one, for each part."""

    unet: Mapping[str, Any] = field(default_factory=dict)
    vae: Mapping[str, Any] = field(default_factory=dict)
    text_heads: int | None = None


def convert_file(path: Path, family: str, folder: Path, told: Told | None = None) -> bool:
    """Turn an original checkpoint into a diffusers folder that a teacher loads.

    Args:
        path: as published, `.pt`, `.ckpt` or `.safetensors`. Nothing in it is run.
        family: of `FAMILIES`.
        folder: is made whole or not at all; one that was made of the same file stays.
        told: only for networks of another width.

    Returns:
        Whether there was anything to do.

    Raises:
        MissingError: there is no such file.
        InputError: it is damaged, of another family, or holds tensors that belong nowhere or too few.
        BusyError: another process is converting to `folder`.
    """
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r}", f"one of {', '.join(FAMILIES)}")
    if not path.is_file():
        raise MissingError(f"there is no file {path}")
    inputs = {"file": sha256(path), "converter": "1"}
    return finish(
        folder,
        kind="weights",
        inputs=inputs,
        build=lambda staging: _build(path, FAMILIES[family], staging, told or Told()),
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name; of a training checkpoint those of its `state_dict`. Nothing in it is run.

    Raises:
        MissingError: there is no such file.
        InputError: it is damaged, or holds something else.
    """
    if not path.is_file():
        raise MissingError(f"there is no file {path}")
    try:
        content = _load(path)
    except Exception as error:  # torch, zipfile and pickle each have their own for a damaged or hostile file
        known = isinstance(error, UnpicklingError)
        reason = str(error).partition("\n")[0] if known else "it is cut short, or torch.save did not write it"
        raise InputError(f"{path} cannot be read as plain tensors: {reason}", "download it again") from None
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise InputError(f"{path} holds no state_dict of tensors")
    return tensors


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, UnpicklingError):  # a file of before 2020 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _build(path: Path, family: Family, staging: Path, told: Told) -> dict[str, Any]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    tensors = read_tensors(path)
    parts, unused = _sort(tensors, family, path)
    config, converted = unet.convert_unet(parts["unet"], family.kind, **told.unet)
    facts = {
        "family": family.kind,
        "unused": unused,
        "unet_parameters": _save(UNet2DConditionModel, config, converted, staging / "unet"),
    }
    if family.has_vae:
        config, converted = vae.convert_vae(parts["vae"], **told.vae)
        facts["vae_parameters"] = _save(AutoencoderKL, config, converted, staging / "vae")
    config, converted = family.convert_text(parts["text"], told.text_heads)
    facts["text_parameters"] = _save_text(config, converted, staging / "text_encoder")
    clip_tokenizer(family.pad_token).save_pretrained(staging / "tokenizer")
    DDIMScheduler(**_SCHEDULE, **_SAMPLER).save_pretrained(staging / "scheduler")
    return facts


def _sort(tensors: Tensors, family: Family, path: Path) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Tensors by the part they belong to, and the names of those that are not used."""
    prefixes = {"unet": unet.PREFIX, "vae": vae.PREFIX, "text": family.text_prefix}
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in prefixes}
    unused, strange = [], []
    for name, tensor in tensors.items():
        part = next((part for part, prefix in prefixes.items() if name.startswith(prefix)), None)
        if _UNUSED.fullmatch(name) or (part == "vae" and not family.has_vae):
            unused.append(name)
        elif part is None:
            strange.append(name)
        else:
            parts[part][name] = tensor
    if any(name.startswith("model_ema.") for name in strange):
        raise InputError(f"{path} keeps averaged weights beside those that were trained", "take the file of the former")
    if strange:
        raise InputError(f"{path} has {len(strange)} tensors that belong nowhere, e.g. {strange[0]}", _hint(family))
    for part, prefix in prefixes.items():
        if not parts[part] and (part != "vae" or family.has_vae):
            raise InputError(f"{path} has no tensor {prefix}…", _hint(family))
    _check_schedule(tensors, path)
    return parts, sorted(unused)


def _check_schedule(tensors: Tensors, path: Path) -> None:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    if (theirs := tensors.get("alphas_cumprod")) is None:
        return
    ours = DDPMScheduler(**_SCHEDULE).alphas_cumprod
    if theirs.shape != ours.shape or (theirs.float() - ours).abs().max() > 1e-4:
        raise InputError(f"{path} was trained with another noise schedule")


def _save(model: Any, config: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> int:
    """Write one network; gives the number of its parameters."""
    built = compare(model, config, tensors, folder.name)
    built.load_state_dict(tensors, strict=True, assign=True)
    _check_finite(tensors, folder.name)
    built.save_pretrained(folder)  # type: ignore[operator]
    return sum(tensor.numel() for tensor in tensors.values())


def _save_text(config: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> int:
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        built = CLIPTextModel(CLIPTextConfig(**config))
    # `position_ids` are no parameters: they would stay on the meta device.
    built.load_state_dict(tensors, strict=True, assign=True)
    _check_finite(tensors, folder.name)
    built.save_pretrained(folder)
    return sum(tensor.numel() for tensor in tensors.values())


def _check_finite(tensors: Tensors, part: str) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{part}: {name} has values that are not finite", "download the file again")


def _hint(family: Family) -> str:
    return f"give the file that {family.kind}'s authors published"
