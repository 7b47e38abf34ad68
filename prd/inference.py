"""Text to mesh."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from infra.device import usable_device
from infra.errors import InputError
from infra.seeds import generator_for
from infra.weights import resolve_weights
from prd.fields import TriplaneFields
from prd.generator import TriplaneGenerator
from prd.mesh import Mesh, why_unusable
from prd.render.isosurface import extract_surface, guard_sign
from prd.render.mesh import query_grid
from prd.render.parts import points_at_once
from teachers.text import TextEncoder


@dataclass(frozen=True)
class GeneratedObject:
    """What came of one prompt."""

    prompt: str
    seed: int
    mesh: Mesh
    """Empty when it failed, else whole: finite, with faces."""
    fields: TriplaneFields
    """Of this prompt alone, for colours between vertices."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time by stage: `encode`, `denoise`, `decode`, `field`, `surface`, `colour`; the first three are shared evenly
    within a batch."""
    failure: str = ""
    """Why there is no mesh."""
    bent: bool = False
    """The field had no surface of its own, and was bent until it had one."""

    def colour_at(self, points: Tensor) -> Tensor:  # [N, 3] -> [N, 3] in [0, 1]
        """Colours anywhere on the surface, e.g. for a texture."""
        return _colours(self.fields, points)


class TextToMesh:
    """A generator ready for use.

    Args:
        generator: trained, on its device.
        text_encoder: of the generator's base model.
    """

    def __init__(self, generator: TriplaneGenerator, text_encoder: TextEncoder) -> None:
        self.generator, self.text_encoder = generator, text_encoder
        self.device = generator.heads.distance.first.device

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: str | Path,
        device: torch.device | str | None = None,
        precision: Literal["fp32", "bf16"] | None = None,
    ) -> "TextToMesh":
        """Load a checkpoint folder or Hub id.

        Args:
            checkpoint: what `TriplaneGenerator.from_pretrained` loads.
            device: default a GPU if there is one.
            precision: of the base model; default as it was trained with.

        Raises:
            MissingError: the checkpoint or its base model is not here.
            InputError: the checkpoint is damaged, or there is no such device.
        """
        device = usable_device(device)
        generator = TriplaneGenerator.from_pretrained(checkpoint, precision=precision).to(device)
        base = resolve_weights(generator.config.base)
        return cls(generator, TextEncoder.from_folder(base, device))

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[str],
        seed: int | Sequence[int] = 42,
        surface_resolution: int | None = None,
        batch_size: int = 4,
    ) -> Iterator[GeneratedObject]:
        """Make a mesh for each prompt, one after the other. One that fails says so and does not end the rest.

        Args:
            prompts: what to make.
            seed: names the noise, of all prompts or of each; the same prompt and seed give the same mesh, whatever
                else is in the batch.
            surface_resolution: grid points along an edge; default from the checkpoint.
            batch_size: prompts denoised together.

        Raises:
            InputError: a batch does not fit the GPU.
        """
        resolution = surface_resolution or self.generator.config.surface_resolution
        seeds = [seed] * len(prompts) if isinstance(seed, int) else seed
        asked = list(zip(prompts, seeds, strict=True))
        for start in range(0, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            clock = StageClock(self.device, len(batch))
            try:
                fields = self._fields(batch, clock)
            except torch.OutOfMemoryError:
                raise InputError(
                    f"{len(batch)} objects at once do not fit {self.device}'s memory",
                    "lower --batch-size, or take another --device",
                ) from None
            for index, (prompt, seed) in enumerate(batch):
                yield _extract(prompt, seed, fields[index], resolution, dict(clock.seconds))

    def _fields(self, asked: Sequence[tuple[str, int]], clock: "StageClock") -> TriplaneFields:
        """Of several prompts, each with its seed."""
        text = self.text_encoder.encode([prompt for prompt, _ in asked]).float()
        clock.lap("encode")
        noise = [self.generator.initial_noise(1, generator_for(seed, "inference")) for _, seed in asked]
        latents = self.generator.denoise(torch.cat(noise), text)
        clock.lap("denoise")
        fields = self.generator.fields(self.generator.decode(latents))
        clock.lap("decode")
        return fields


@torch.no_grad()
def _extract(
    prompt: str, seed: int, fields: TriplaneFields, resolution: int, seconds: dict[str, float]
) -> GeneratedObject:
    clock = StageClock(fields.planes.device, 1, seconds)
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))
    try:
        sdf, deformation = query_grid(fields, resolution)
    except torch.OutOfMemoryError:
        reason = f"a grid of {resolution}³ does not fit {fields.planes.device}'s memory; lower --resolution"
        return GeneratedObject(prompt, seed, empty, fields, seconds, reason)
    clock.lap("field")
    if not (sdf.isfinite().all() and deformation.isfinite().all()):
        return GeneratedObject(prompt, seed, empty, fields, seconds, "its field has values that are not finite")
    guarded = guard_sign(sdf)
    surface = extract_surface(guarded, deformation)
    vertices = surface.vertices.cpu()
    clock.lap("surface")
    mesh = Mesh(vertices, surface.faces.cpu(), _colours(fields, vertices))
    clock.lap("colour")
    failure = why_unusable(mesh)
    return GeneratedObject(prompt, seed, empty if failure else mesh, fields, seconds, failure, bent=guarded is not sdf)


@torch.no_grad()
def _colours(fields: TriplaneFields, points: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
    device = fields.planes.device
    parts = [
        fields.colour(part.to(device).unsqueeze(0)).squeeze(0).clamp(0, 1).cpu()
        for part in points.split(points_at_once(device))
    ]
    return torch.cat(parts)


class StageClock:
    """Time between laps, by name in `seconds`, shared among `shares` objects. Waits for the device at each."""

    def __init__(self, device: torch.device, shares: int, seconds: dict[str, float] | None = None) -> None:
        self._device = device
        self.seconds = {} if seconds is None else seconds
        self._shares = shares
        self._started = time.perf_counter()

    def lap(self, name: str) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[name] = (now - self._started) / self._shares
        self._started = now
