"""Who sits where, and how much memory that takes, before anything is started.

Parameters are counted and what backward passes keep is found out on the meta device; neither weights nor a GPU are
needed. What a library keeps for itself (CUDA's context, fragmentation, workspaces) is a flat allowance.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from infra.memory import kept_bytes, largest_operation, parameter_bytes
from prd.adapters import PLANES
from prd.config import TrainingRecipe
from prd.fields import FieldHeads, TriplaneFields
from prd.generator import TriplaneGenerator
from prd.render.parts import points_at_once
from teachers.architectures import build, describe
from teachers.base import DTYPES
from teachers.config import ActorPlacement, TeacherConfig
from teachers.registry import teacher_spec

ALLOWANCE = 10**9
"""Bytes of a process beside its tensors."""
_STATES = {"adan": 4, "adamw": 2}
_PROBE_POINTS = 2**12
_VIEW_TENSORS = 24
"""Of a mesh rendering in full size, each with all channels of the maps, from rasterisation to what teachers see."""


@dataclass(frozen=True)
class Share:
    """What one model takes of one process."""

    model: str
    parameters: int
    weights: int
    """Bytes of its weights, its gradients and what the optimiser remembers."""
    working: int
    """Bytes of what is kept while it computes."""
    remark: str = ""


@dataclass(frozen=True)
class Place:
    """Processes of one kind and what each of them holds."""

    who: str
    count: int
    gpus: float
    """Of each process; a fraction shares a card."""
    shares: tuple[Share, ...]

    @property
    def bytes(self) -> int:
        """Expected of each process."""
        return ALLOWANCE + sum(share.weights + share.working for share in self.shares)


@dataclass(frozen=True)
class Room:
    """What there is to sit on."""

    gpus: int
    gpu_bytes: int | None = None
    """Of each; None if not known."""
    memory_bytes: int | None = None
    """Of processes without a GPU; None if not known or on several machines."""


def plan_training(recipe: TrainingRecipe) -> list[Place]:
    """All processes of a training, the workers first."""
    cluster, train = recipe.cluster, recipe.train
    on_gpu = cluster.gpus_per_worker > 0
    teachers = {name: _teacher(name, config, train.prompts_per_worker) for name, config in recipe.teachers.items()}
    placements = {name: config.placement for name, config in recipe.teachers.items()}
    local = tuple(teachers[name] for name, placement in placements.items() if placement == "local")
    places = [Place("worker", train.workers, cluster.gpus_per_worker, (*_student(recipe, on_gpu), *local))]
    for name, placement in placements.items():
        if isinstance(placement, ActorPlacement):
            places.append(Place("teacher", placement.replicas, placement.gpus, (teachers[name],)))
    return places


def objections(places: Iterable[Place], room: Room) -> list[str]:
    """Why a plan cannot fit; nothing where it can, as far as is known."""
    places = list(places)
    found = []
    wanted = sum(place.count * place.gpus for place in places)
    if wanted > room.gpus:
        found.append(
            f"{wanted:g} GPUs are wanted, there are {room.gpus}: lower train.workers, cluster.gpus_per_worker or "
            "teachers.<name>.placement.gpus, or place teachers `local`"
        )
    for place in places:
        have = None if room.gpu_bytes is None else room.gpu_bytes * min(place.gpus, 1.0)
        if place.gpus and have is not None and place.bytes > have:
            found.append(
                f"{place.who} ({place.shares[0].model}): {_gb(place.bytes)} are expected, its share of a GPU is "
                f"{_gb(have)}: {_LESS_OF_A_WORKER if place.who == 'worker' else _LESS}"
            )
    together = sum(place.count * place.bytes for place in places if not place.gpus)
    if room.memory_bytes is not None and together > room.memory_bytes:
        found.append(f"{_gb(together)} of main memory are expected, there are {_gb(room.memory_bytes)}: {_LESS}")
    return found


_LESS_OF_A_WORKER = "set train.recompute, or lower train.prompts_per_worker"
_LESS = "lower train.prompts_per_worker or a resolution, or set a precision to bf16"


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _student(recipe: TrainingRecipe, on_gpu: bool) -> list[Share]:
    config, train = recipe.generator, recipe.train
    parts = describe(config.base)
    if parts is None or not {"unet", "vae", "text_encoder"} <= parts.keys():
        return [Share("student", 0, 0, 0, f"{config.base} is neither here nor known")]
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    dtype = DTYPES[config.precision]
    with torch.device("meta"):
        unet = nn.Module.to(build(UNet2DConditionModel, parts["unet"]), dtype)
        vae = nn.Module.to(build(AutoencoderKL, parts["vae"]), dtype)
        student = TriplaneGenerator(unet, vae, config)
    trained = [parameter for _, parameter in student.trainable()]
    count = sum(parameter.numel() for parameter in trained)
    shards = train.workers if train.zero_stage else 1
    # Gradients, two buckets of communication; the optimiser's states, and in ZeRO its own copy of the parameters.
    optimiser = 4 * count * (3 + (_STATES[train.optimiser] + bool(train.zero_stage)) / shards)
    whole = sum(parameter.numel() for parameter in student.parameters())
    graphs = 1 if train.recompute else min(train.max_inflight_steps, config.steps)
    working = train.prompts_per_worker * graphs * _step_bytes(student, recipe) + _parts_bytes(recipe, on_gpu)
    remark = f"{count / 1e6:.1f} M trained, {graphs} of {config.steps} steps kept"
    text = _text_encoder(parts["text_encoder"])
    return [
        Share("student", whole, int(parameter_bytes(student) + optimiser), working, remark),
        Share("text encoder", _count(text), parameter_bytes(text, dtype=torch.float32), 0, "fp32"),
    ]


def _step_bytes(student: TriplaneGenerator, recipe: TrainingRecipe) -> int:
    """What one prompt's denoising step keeps for its backward pass, the renderings' field queries aside."""
    train = recipe.train

    def denoise_and_decode() -> None:
        noise = torch.empty(PLANES, *student.latent_shape, device="meta")
        width: int = student.unet.config["cross_attention_dim"]  # type: ignore[index, union-attr, assignment]
        text = torch.empty(1, 77, width, device="meta")
        student.decode(student.predict_noise(noise, 999, text))

    kept = kept_bytes(denoise_and_decode, student.parameters())
    views = train.views * 4 * 8  # colour, normal, disparity and opacity in fp32
    if train.mesh is not None:
        kept += _VIEW_TENSORS * views * train.mesh.resolution**2
        kept += 4 * 4 * train.mesh.surface_resolution**3  # distance and deformation of the grid
    if train.volume is not None:
        pixels = (
            train.volume.resolution**2
            if train.volume.global_resolution is None
            else (train.volume.global_resolution**2 + train.volume.patch_resolution**2)
        )
        samples = train.volume.coarse_intervals + train.volume.fine_intervals + 1
        kept += train.views * pixels * samples * 4 * 4  # edges and gradients of the distance
        kept += _VIEW_TENSORS * views * train.volume.resolution**2
    return kept


def _parts_bytes(recipe: TrainingRecipe, on_gpu: bool) -> int:
    """What looking at one part of the fields keeps; all others are looked at again (`prd.render.parts`)."""
    config = recipe.generator
    planes = torch.zeros(1, PLANES, config.plane_channels, 8, 8, requires_grad=True)
    fields = TriplaneFields(planes, FieldHeads(config.plane_channels, config.hidden_width).read())
    points = torch.zeros(1, _PROBE_POINTS, 3)

    def look() -> tuple[Tensor, ...]:
        return *fields.sdf_and_gradient(points), fields.colour(points)

    device = torch.device("cuda" if on_gpu else "cpu")
    return kept_bytes(look, [planes]) * points_at_once(device) // _PROBE_POINTS


def _teacher(name: str, config: TeacherConfig, prompts: int) -> Share:
    parts = describe(config.weights) if ":" not in config.kind else None
    if not parts or "unet" not in parts:
        return Share(name, 0, 0, 0, f"{config.weights} is neither here nor known")
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    dtype, spec = DTYPES[config.precision], teacher_spec(name, config)
    pictures, size = prompts * spec.views, config.resolution
    with torch.device("meta"):
        unet = nn.Module.to(build(UNet2DConditionModel, parts["unet"]), dtype).requires_grad_(False)
    models: list[nn.Module] = [unet]
    kept = 0
    if "vae" in parts and spec.maps == ("rgb",):
        with torch.device("meta"):
            vae: Any = nn.Module.to(build(AutoencoderKL, parts["vae"]), dtype).requires_grad_(False)
        del vae.decoder, vae.post_quant_conv
        models.append(vae)
        pixels = torch.empty(pictures, 3, size, size, device="meta", dtype=dtype, requires_grad=True)
        kept = kept_bytes(partial(vae.encode, pixels), vae.parameters())
        size //= 2 ** (len(parts["vae"]["block_out_channels"]) - 1)
    rows = pictures * (3 if config.shift else 2)
    models.append(_text_encoder(parts["text_encoder"]))
    working = kept + _forward_bytes(unet, rows, size, dtype)
    weights = sum(parameter_bytes(model, dtype=dtype) for model in models)
    return Share(name, sum(map(_count, models)), weights, working, f"{config.precision}, batch {rows}")


def _forward_bytes(unet: Any, rows: int, size: int, dtype: torch.dtype) -> int:
    settings = unet.config
    inputs = torch.empty(rows, settings["in_channels"], size, size, device="meta", dtype=dtype)
    text = torch.empty(rows, 77, settings["cross_attention_dim"], device="meta", dtype=dtype)
    camera = None
    if width := settings.get("projection_class_embeddings_input_dim"):
        camera = torch.empty(rows, width, device="meta", dtype=dtype)
    steps = torch.zeros(rows, device="meta")
    return 2 * largest_operation(lambda: unet(inputs, steps, encoder_hidden_states=text, class_labels=camera))


def _text_encoder(config: dict[str, Any]) -> nn.Module:
    from transformers import CLIPTextModel

    with torch.device("meta"):
        return build(CLIPTextModel, config)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
