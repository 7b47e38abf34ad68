"""The `teachers:` section of a recipe."""

from typing import Literal

from pydantic import Field

from infra.config import Config, Ramp, RampConfig


class ActorPlacement(Config):
    """Ray actors of their own."""

    gpus: float = Field(default=0.0, ge=0.0)
    """GPUs of one replica; a fraction shares a card."""
    cpus: float = Field(default=1.0, ge=0.0)
    replicas: int = Field(default=1, ge=1)
    """Actors that share the calls."""
    transport: Literal["store", "direct"] = "store"
    """`direct`: pixels and gradients go from GPU to GPU (Ray's direct transport, which needs the package nixl); else
    through main memory and Ray's object store."""


Placement = Literal["local"] | ActorPlacement
"""`local`: in the student's process."""


class TeacherConfig(Config):
    """One teacher: its class, weights and guidance. Defaults are the released system's, but for `input_range`."""

    kind: str
    """`stable_diffusion`, `mvdream`, `richdreamer`, or `package.module:Class` for a teacher of your own."""
    weights: str
    """A diffusers folder: a path, a folder below `$PRD_WEIGHTS`, or a name of the lock file."""
    weight: float = Field(default=1.0, ge=0.0)
    """Factor of its loss."""
    resolution: int = Field(gt=0)
    """Height and width of the pixels it takes."""
    guidance_scale: Ramp
    """Classifier-free guidance."""
    min_timestep: Ramp = RampConfig(start=0.5, end=0.02)
    """Lower bound of the timestep, as a fraction of the schedule's length."""
    max_timestep: Ramp = RampConfig(start=0.98, end=0.98)
    """Upper bound (exclusive), likewise."""
    shift: float = Field(default=0.0, ge=0.0)
    """ASD timestep shift η of the second prediction; 0 gives the classifier-score direction without a third pass."""
    weighting: Literal["paper", "reference"] = "reference"
    """Clean estimates: `paper` takes each from its own noisy latent and timestep; `reference` puts the clean latent and
    the first timestep in their place, as the released system does (a denominator about three times larger)."""
    weight_over: Literal["image", "prompt"] = "image"
    """Whether the denominator is averaged over an image or over all views of a prompt."""
    weight_offset: float = Field(default=0.1, gt=0.0)
    """δ, added to the denominator."""
    negative_prompt: str = ""
    prompt_suffix: str = ""
    """Appended to every prompt, e.g. `, 3d asset`."""
    input_range: Literal["signed", "unit"] = "signed"
    """Range of the maps a teacher without VAE is fed: [-1, 1] as it was trained, or [0, 1] as the reference does."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Arithmetic of the networks; the schedule's stays fp32."""
    placement: Placement = ActorPlacement()


TeachersConfig = dict[str, TeacherConfig]
"""Name → teacher. Set one to null in a recipe to leave it out."""
