"""The published TriplaneTurbo checkpoints, `triplane_turbo_sd_v1.pth`: their key map and their import."""

from pathlib import Path

import torch
from torch import Tensor, nn

from infra.artifacts import sha256
from infra.errors import InputError
from infra.weights import resolve_weights
from prd.adapters import LoRAConv2d, LoRALinear, PlaneLoRALinear
from prd.config import GeneratorConfig
from prd.generator import TriplaneGenerator
from prd.published import is_published
from teachers.convert.original import read_tensors
from teachers.folder import load_unet, load_vae

_PREFIX = "geometry."
_ADAPTERS = "space_generator.peft_layers.layers"
_PLANE_SUFFIXES = tuple(f"{axes}_lora_{kind}" for kind in ("geo", "tex") for axes in ("xy", "xz", "yz"))
_HEADS = {"sdf_network": "distance", "feature_network": "colour", "deformation_network": "deformation"}
_HEAD_LAYERS = {0: "first", 2: "second", 4: "last"}


def import_released(path: Path, base: str, folder: Path) -> TriplaneGenerator:
    """Turn a published checkpoint into a generator's folder (`prd.published`).

    Args:
        path: the `.pth` file. Nothing in it is run.
        base: reference of the base model that it was trained on.
        folder: gets the generator.

    Raises:
        MissingError: the file or the base model is not here.
        InputError: it is no such checkpoint, it belongs to another base model, it was never trained, or `folder` holds
            something else.
    """
    if folder.exists() and not (folder.is_dir() and (is_published(folder) or not any(folder.iterdir()))):
        raise InputError(f"{folder} is there and holds something else", "give a new folder")
    state_dict = read_tensors(path)
    weights, cpu = resolve_weights(base), torch.device("cpu")
    if Path(base).is_dir():
        base = str(weights)  # found from wherever it is loaded
    unet, vae = load_unet(weights, cpu, torch.float32), load_vae(weights, cpu, torch.float32)
    try:
        generator = load_released(state_dict, unet, vae, base)
    except (LookupError, ValueError) as error:
        raise InputError(f"{path} does not fit {base}: {error}") from None
    for name, parameter in generator.trainable():
        if not parameter.isfinite().all():
            raise InputError(f"{path}: {name} has values that are not finite")
        adapters = parameter if parameter.dim() == 3 else [parameter]  # one for each plane, or one for all
        if name.endswith(".up") and not all(adapter.any() for adapter in adapters):
            raise InputError(f"{path} was never trained: {name} is zero, as at the start")
    generator.save_pretrained(folder, {"imported from": path.name, "its sha256": sha256(path)})
    return generator


def load_released(state_dict: dict[str, Tensor], unet: nn.Module, vae: nn.Module, base: str = "") -> TriplaneGenerator:
    """A generator with the trained part of a published checkpoint.

    Args:
        state_dict: keys as published, `geometry.…`.
        unet: the base U-Net (diffusers), of any width; adapted in place.
        vae: the base autoencoder (diffusers), likewise.
        base: the name by which the generator's configuration calls this base.

    Raises:
        InputError: a tensor is missing, left over or of the wrong shape, or the fields live in another box.
    """
    remaining = {key.removeprefix(_PREFIX): value for key, value in state_dict.items() if key.startswith(_PREFIX)}
    box = remaining.pop("bbox", None)
    if box is not None and box.tolist() != [[-1.0] * 3, [1.0] * 3]:
        raise InputError(f"the checkpoint's fields live in the box {box.tolist()}, not in [-1, 1]³")
    try:
        head = remaining["sdf_network.layers.0.weight"]
        rank = remaining[f"{_ADAPTERS}.0.to_q_{_PLANE_SUFFIXES[0]}.down.weight"].shape[0]
    except KeyError as error:
        raise InputError(f"not a TriplaneTurbo checkpoint: {error} is missing") from None
    config = GeneratorConfig(base=base, rank=rank, plane_channels=head.shape[1], hidden_width=head.shape[0])
    generator = TriplaneGenerator(unet, vae, config)

    for index, module in enumerate(_adapted_modules(generator)):
        _load_adapter(module, f"{_ADAPTERS}.{index}", remaining)
    for theirs, ours in _HEADS.items():
        for layer, name in _HEAD_LAYERS.items():
            target = generator.heads.get_submodule(ours).get_parameter(name)
            _copy(target, f"{theirs}.layers.{layer}.weight", remaining)
    if remaining:
        raise InputError(f"{len(remaining)} tensors of the checkpoint belong nowhere, e.g. {next(iter(remaining))}")
    return generator


def _adapted_modules(generator: TriplaneGenerator) -> list[nn.Module]:
    """Attention blocks and convolutions in the order that the published indices count them: the U-Net's attention,
    the decoder's, the U-Net's convolutions, the decoder's, the new output."""
    unet, decoder = generator.unet, generator.decoder
    attentions = [
        unet.get_submodule(name.removesuffix(".processor"))
        for name in unet.attn_processors  # type: ignore[union-attr]
    ]
    attentions.append(decoder.get_submodule("mid_block.attentions.0"))  # type: ignore[union-attr]
    convolutions = [
        module
        for model in (unet, decoder)
        for module in model.modules()  # type: ignore[union-attr]
        if isinstance(module, LoRAConv2d)
    ]
    return [*attentions, *convolutions, decoder.get_submodule("conv_out")]  # type: ignore[union-attr]


def _load_adapter(module: nn.Module, prefix: str, remaining: dict[str, Tensor]) -> None:
    if isinstance(module, LoRAConv2d):
        for part in ("down", "up"):
            _copy(module.get_parameter(part), f"{prefix}.{part}.weight", remaining)
    elif hasattr(module, "to_q"):
        for ours, theirs in (("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out.0", "to_out")):
            _load_projection(module.get_submodule(ours), f"{prefix}.{theirs}", remaining)
    else:
        for part in ("weight", "bias"):
            _copy(module.get_parameter(part), f"{prefix}.{part}", remaining)


def _load_projection(module: nn.Module, prefix: str, remaining: dict[str, Tensor]) -> None:
    for part in ("down", "up"):
        target = module.get_parameter(part)
        if isinstance(module, PlaneLoRALinear):
            for plane, suffix in enumerate(_PLANE_SUFFIXES):
                _copy(target[plane], f"{prefix}_{suffix}.{part}.weight", remaining)
        else:
            assert isinstance(module, LoRALinear)
            _copy(target, f"{prefix}_lora.{part}.weight", remaining)


def _copy(target: Tensor, key: str, remaining: dict[str, Tensor]) -> None:
    try:
        value = remaining.pop(key)
    except KeyError:
        raise InputError(f"the checkpoint has no tensor {key}") from None
    if value.shape != target.shape:
        raise InputError(f"{key} has shape {tuple(value.shape)}, expected {tuple(target.shape)}")
    target.data.copy_(value)
