"""Reading the parts of an ordinary diffusers folder, strictly: what is missing would otherwise be random numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from infra.errors import MissingError

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def load_unet(folder: Path, device: torch.device, dtype: torch.dtype) -> "UNet2DConditionModel":
    """The frozen U-Net of `<folder>/unet`.

    Raises:
        MissingError: it is not there, cannot be read, or lacks tensors; so for every function here.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return _load_frozen(UNet2DConditionModel, _part(folder, "unet"), device, torch_dtype=dtype, low_cpu_mem_usage=False)


def load_vae(folder: Path, device: torch.device, dtype: torch.dtype) -> "AutoencoderKL":
    """The frozen autoencoder of `<folder>/vae`."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return _load_frozen(AutoencoderKL, _part(folder, "vae"), device, torch_dtype=dtype, low_cpu_mem_usage=False)


def load_text_encoder(folder: Path, device: torch.device, dtype: torch.dtype) -> "CLIPTextModel":
    """The frozen text tower of `<folder>/text_encoder`."""
    from transformers import CLIPTextModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    return _load_frozen(CLIPTextModel, _part(folder, "text_encoder"), device, dtype=dtype)


def load_tokenizer(folder: Path) -> "CLIPTokenizer":
    """The tokenizer of `<folder>/tokenizer`, with that folder's own padding."""
    from transformers import CLIPTokenizer

    return _read(_part(folder, "tokenizer"), lambda path: CLIPTokenizer.from_pretrained(path, local_files_only=True))


def load_alphas_cumprod(folder: Path) -> Tensor:  # [T] fp32
    """ᾱ of the noise schedule in `<folder>/scheduler`, whichever sampler that file was written for.

    Raises:
        MissingError: as above, or the model predicts something other than noise.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler(**_betas(folder)).alphas_cumprod.float()


def load_sampler(folder: Path) -> "DDIMScheduler":
    """A deterministic sampler for the same schedule."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    settings = {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "trailing"}
    return DDIMScheduler(**_betas(folder), **settings)


def _betas(folder: Path) -> dict[str, Any]:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    path = _part(folder, "scheduler")
    config = _read(path, DDPMScheduler.load_config)
    predicted = config.get("prediction_type", "epsilon")
    if predicted != "epsilon":
        raise MissingError(f"{path} is of a model that predicts {predicted!r}", "use weights that predict noise")
    # Another sampler's own settings mean nothing here; the betas are the same.
    return {key: value for key, value in config.items() if key == "num_train_timesteps" or "beta" in key}


def _part(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_dir():
        raise MissingError(f"{folder} has no folder {name}/", "it must be a diffusers folder")
    return path


def _load_frozen(model: type[ModuleT], path: Path, device: torch.device, **arguments: Any) -> ModuleT:
    loader = model.from_pretrained  # type: ignore[attr-defined]
    module, report = _read(
        path, lambda path: loader(path, output_loading_info=True, local_files_only=True, **arguments)
    )
    lacking = sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])})
    if lacking:
        raise MissingError(f"{path} lacks {len(lacking)} tensors of its model, e.g. {lacking[0]}", "fetch it again")
    return module.eval().requires_grad_(False).to(device)


def _read(path: Path, load: Callable[[Path], Any]) -> Any:
    try:
        return load(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file: each library has its own, some the bare class
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MissingError(f"{path} cannot be read: {reason}", "fetch the folder again") from error
