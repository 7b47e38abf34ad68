"""Making the miniature models from nothing but pictures of their world.

    autoencoder ─┬─ stable-diffusion ── mvdream
    clip ────────┼──────┴─ richdreamer
                 └ (its text tower conditions all three)
    clip-evaluation, trained apart

Each is finished before the next begins; what was interrupted goes on where it stood.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.artifacts import finish, write_json
from infra.config import digest
from infra.seeds import derive_seed
from teachers.miniature.fit import Schedule, fit
from teachers.miniature.scene import learnable_scenes, lesson
from teachers.miniature.tokenizer import build_tokenizer

if TYPE_CHECKING:
    import open_clip
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from torch import nn

    from teachers.miniature.album import Album
    from teachers.miniature.denoising import Draw, LatentAlbum

STABLE_DIFFUSION, MVDREAM, RICHDREAMER, CLIP = "stable-diffusion", "mvdream", "richdreamer", "clip-evaluation"

_PAD = {STABLE_DIFFUSION: "!", MVDREAM: "!", RICHDREAMER: "<|endoftext|>"}
"""As the large models pad: Stable Diffusion 2 and 1."""
_STATES = ".training"
_SETTLING = 256  # pictures that the latents' scale is measured on


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    autoencoder: Schedule
    clip: Schedule
    clip_evaluation: Schedule
    stable_diffusion: Schedule
    mvdream: Schedule
    richdreamer: Schedule
    album_sets: int
    """Sets of four views of each shape."""
    latent_copies: int
    """Sets of four views that each scene is encoded from."""
    every: int = 1
    """Learn from one scene in so many."""


FULL = Plan(
    autoencoder=Schedule(steps=5000, batch=32, learning_rate=1e-3, average=0.99),
    clip=Schedule(steps=1000, batch=192, learning_rate=1.5e-3, average=0.99),
    clip_evaluation=Schedule(steps=1200, batch=192, learning_rate=1.5e-3, average=0.99),
    stable_diffusion=Schedule(steps=5000, batch=64, learning_rate=1.5e-3, average=0.999),
    mvdream=Schedule(steps=5000, batch=16, learning_rate=1e-3, average=0.999),
    richdreamer=Schedule(steps=4000, batch=16, learning_rate=1.5e-3, average=0.999),
    album_sets=64,
    latent_copies=2,
)
"""What the shipped weights were made by."""


def train_miniature(folder: Path, seed: int = 0, plan: Plan = FULL) -> bool:
    """Train the models that are not in `folder` yet; a few hours on two cores, and less than one of a GPU.

    Args:
        folder: gets one folder for each model, and `.training/` with what an interrupted training goes on from.
        seed: names all random numbers.
        plan: how long to train each.

    Returns:
        True when anything was trained.

    Raises:
        BusyError: another process is training one of them.
        OSError: the disk is full; what was finished stays.
    """
    inputs = {"plan": digest(asdict(plan)), "seed": str(seed)}
    workshop = _Workshop(folder / _STATES / digest(inputs)[:10], seed, plan)
    builders: dict[str, Callable[[Path], Mapping[str, Any]]] = {
        STABLE_DIFFUSION: workshop.stable_diffusion,
        RICHDREAMER: workshop.richdreamer,
        MVDREAM: workshop.mvdream,
        CLIP: workshop.clip_evaluation,
    }
    made = [finish(folder / name, kind="weights", inputs=inputs, build=build) for name, build in builders.items()]
    return any(made)


class _Workshop:
    """What the models share while they are made; each piece is made when it is first asked for."""

    def __init__(self, states: Path, seed: int, plan: Plan) -> None:
        self.states, self.seed, self.plan = states, seed, plan
        self.scenes = learnable_scenes()[:: plan.every]
        self.lesson = lesson(self.scenes)

    @cached_property
    def album(self) -> "Album":
        from teachers.miniature.album import Album

        return Album(self.seed, self.plan.album_sets)

    @cached_property
    def autoencoder(self) -> "AutoencoderKL":
        import torch

        from infra.seeds import generator_for
        from teachers.miniature.autoencoder import autoencoder_loss, latent_scale
        from teachers.miniature.models import new_autoencoder

        vae = self._new("autoencoder", new_autoencoder)
        schedule = self.plan.autoencoder
        self._fit("autoencoder", vae, partial(autoencoder_loss, vae, self.album, schedule.batch), schedule)
        with torch.no_grad():
            scale = latent_scale(vae, self.album, _SETTLING, generator_for(self.seed, "latent scale"))
        vae.register_to_config(scaling_factor=scale)
        return vae

    @cached_property
    def clip(self) -> "open_clip.CLIP":
        return self._clip("clip", self.plan.clip, self.album)

    @cached_property
    def latents(self) -> "LatentAlbum":
        from teachers.miniature.denoising import LatentAlbum

        return LatentAlbum(self.autoencoder, self.album, self.lesson, self.plan.latent_copies, self.seed)

    @cached_property
    def text_to_image(self) -> "nn.Module":
        return self._unet(STABLE_DIFFUSION, self.plan.stable_diffusion, self.latents.single)

    def stable_diffusion(self, folder: Path) -> Mapping[str, Any]:
        from diffusers import StableDiffusionPipeline

        from teachers.miniature.models import new_scheduler

        parts = {**self._text(STABLE_DIFFUSION), "vae": self.autoencoder, "unet": self.text_to_image}
        absent: dict[str, Any] = {"safety_checker": None, "feature_extractor": None}
        pipeline = StableDiffusionPipeline(
            **_halved({**parts, "scheduler": new_scheduler()}), **absent, requires_safety_checker=False
        )
        pipeline.save_pretrained(folder)
        return _facts(parts)

    def mvdream(self, folder: Path) -> Mapping[str, Any]:
        unet = self._unet(MVDREAM, self.plan.mvdream, self.latents.sets, start=self.text_to_image)
        return _save({**self._text(MVDREAM), "vae": self.autoencoder, "unet": unet}, folder)

    def richdreamer(self, folder: Path) -> Mapping[str, Any]:
        from teachers.miniature.denoising import geometry_sets
        from teachers.miniature.models import GEOMETRY_RESOLUTION

        draw = partial(geometry_sets, self.album, self.lesson, GEOMETRY_RESOLUTION)
        return _save({**self._text(RICHDREAMER), "unet": self._unet(RICHDREAMER, self.plan.richdreamer, draw)}, folder)

    def clip_evaluation(self, folder: Path) -> Mapping[str, Any]:
        from safetensors.torch import save_file

        from teachers.miniature.album import Album
        from teachers.miniature.models import clip_config

        tokenizer = build_tokenizer("!")
        # Pictures of its own: a judge that learned from the teachers' would share their blind spots.
        album = Album(derive_seed(self.seed, CLIP), self.plan.album_sets)
        clip = self._clip(CLIP, self.plan.clip_evaluation, album)
        write_json(folder / "open_clip_config.json", clip_config(len(tokenizer)))
        tokenizer.save_pretrained(folder)
        tensors = {name: tensor.contiguous() for name, tensor in deepcopy(clip).half().state_dict().items()}
        save_file(tensors, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
        return _facts({"clip": clip})

    def _clip(self, name: str, schedule: Schedule, album: "Album") -> "open_clip.CLIP":
        from teachers.miniature.contrast import contrastive_loss, pixel_statistics
        from teachers.miniature.models import clip_config, new_clip

        tokenizer = build_tokenizer("!")
        clip = self._new(name, partial(new_clip, len(tokenizer)))
        pixels = pixel_statistics(clip_config(len(tokenizer))["preprocess_cfg"])
        loss = partial(contrastive_loss, clip, tokenizer, album, self.scenes, schedule.batch, pixels)
        self._fit(name, clip, loss, schedule)
        return clip

    def _unet(self, kind: str, schedule: Schedule, draw: "Draw", start: "nn.Module | None" = None) -> "nn.Module":
        from teachers.attention import install_multiview_attention
        from teachers.miniature.album import VIEWS
        from teachers.miniature.denoising import denoising_loss
        from teachers.miniature.models import new_scheduler, new_unet
        from teachers.text import TextEncoder

        unet = self._new(kind, partial(new_unet, kind.replace("-", "_")))
        if start is not None:
            # Only the camera's layers are new, as in the large model.
            absent = unet.load_state_dict(start.state_dict(), strict=False)
            assert not absent.unexpected_keys and all(key.startswith("class_") for key in absent.missing_keys)
        if kind != STABLE_DIFFUSION:
            install_multiview_attention(unet, VIEWS)
        parts = self._text(kind)
        text = TextEncoder(parts["tokenizer"], parts["text_encoder"], cache_size=100_000)
        loss = partial(denoising_loss, unet, text, new_scheduler().alphas_cumprod, draw, schedule.batch)
        self._fit(kind, unet, loss, schedule)
        return unet

    def _text(self, kind: str) -> dict[str, Any]:
        from teachers.miniature.contrast import text_tower
        from teachers.miniature.models import new_text_encoder

        tokenizer = build_tokenizer(_PAD[kind])
        encoder = text_tower(self.clip, new_text_encoder(tokenizer)).eval().requires_grad_(False)
        return {"tokenizer": tokenizer, "text_encoder": encoder}

    def _new(self, name: str, make: Callable[[], Any]) -> Any:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, name, "initial weights"))
            return make()

    def _fit(self, name: str, model: "nn.Module", loss: Callable[..., Any], schedule: Schedule) -> None:
        self.states.mkdir(parents=True, exist_ok=True)
        fit(name, model, loss, schedule, self.seed, self.states / f"{name}.pt")


def _save(parts: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    from teachers.miniature.models import new_scheduler

    for name, part in {**_halved(parts), "scheduler": new_scheduler()}.items():
        part.save_pretrained(folder / name)
    return _facts(parts)


def _halved(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Copies in half precision, in which the weights are kept.

    The small text encoder stays as it is: transformers loads what is in the file, diffusers single precision, and a
    plain pipeline needs both alike.
    """
    return {
        name: deepcopy(part).half() if hasattr(part, "half") and name != "text_encoder" else part
        for name, part in parts.items()
    }


def _facts(parts: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{name}_parameters": sum(parameter.numel() for parameter in part.parameters())
        for name, part in parts.items()
        if hasattr(part, "parameters")
    }
