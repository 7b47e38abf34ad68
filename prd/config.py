"""The `generator:`, `train:` and `cluster:` sections of a recipe. Defaults are the paper's values."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.config import Config, Ramp, RampConfig, digest
from teachers.camera_config import CameraConfig
from teachers.config import TeachersConfig


class GeneratorConfig(Config):
    """The text-to-triplane generator: a latent diffusion model with adapters and field heads.

    Sizes are bounded: published generators come from anyone.
    """

    base: str
    """Weights of the latent diffusion model it starts from: a diffusers folder."""
    adaptation: Literal["peta", "lora", "full"] = "peta"
    """`peta`: adapters of each plane's own in self-attention; `lora`: one shared adapter of the same size there;
    `full`: the base itself is trained."""
    rank: int = Field(default=16, gt=0, le=1024)
    latent_size: int = Field(default=32, gt=0, le=1024)
    """Height and width of one plane's latent; the base model may have been trained at another."""
    plane_channels: int = Field(default=32, gt=0, le=1024)
    hidden_width: int = Field(default=64, gt=0, le=4096)
    """Width of the two hidden layers of each field head."""
    unscale_latents: bool = False
    """Divide latents by the autoencoder's scaling factor before they are decoded, as the base model was trained. The
    released system decodes them as they are."""
    initial_colour: Literal["random", "picture"] = "random"
    """`random` new layers, as in the paper, or layers that begin as what the base model's decoder would draw."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the frozen base model's weights and of all arithmetic up to the planes. What is trained is kept in fp32, and
    fields compute in it."""
    sphere_radius: float = Field(default=0.5, gt=0)
    """Radius of the sphere that an all-zero triplane describes."""
    steps: int = Field(default=4, ge=1, le=1000)
    """K, the number of denoising steps."""
    surface_resolution: int = Field(default=160, ge=8, le=1024)
    """Grid points along an edge when a mesh is extracted at inference."""

    @model_validator(mode="after")
    def _trained_in_full_precision(self) -> Self:
        if self.adaptation == "full" and self.precision != "fp32":
            raise ValueError("precision: a base that is trained itself (adaptation: full) needs fp32")
        return self


class VolumeConfig(Config):
    """The NeuS volume renderer."""

    resolution: int = Field(default=128, gt=0)
    """Height and width of the views."""
    global_resolution: int | None = Field(default=42, gt=0)
    """When set: views are rendered at this size and enlarged, with one patch at full size pasted in. Saves memory."""
    patch_resolution: int = Field(default=40, gt=0)
    near: float = Field(default=0.1, gt=0)
    far: float = Field(default=4.0, gt=0)
    coarse_intervals: int = Field(default=128, gt=0)
    fine_intervals: int = Field(default=64, gt=0)
    inverse_std: float = Field(default=99.98298475629632, gt=0)
    """Sharpness s of the NeuS opacity, exp(10 · 0.4605); not trained."""
    colour_gradient: Ramp = RampConfig(start=1.0, end=0.01)
    """Factor on the gradient that reaches the colours."""
    sparsity: Ramp = RampConfig(start=1.0, end=0.0)
    eikonal: Ramp = RampConfig(start=1.0, end=0.0)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near}) must be less than far ({self.far})")
        if self.global_resolution is not None and self.patch_resolution > self.resolution:
            raise ValueError(f"patch_resolution ({self.patch_resolution}) exceeds resolution ({self.resolution})")
        return self


class MeshConfig(Config):
    """The mesh renderer."""

    resolution: int = Field(default=512, gt=0)
    """Height and width of the views."""
    surface_resolution: int = Field(default=128, ge=8)
    """Grid points along an edge of the field that the surface is extracted from."""
    sdf_gradient: float = Field(default=0.001, ge=0)
    """Factor on the gradient that reaches the signed distances."""
    deformation_gradient: float = Field(default=0.001, ge=0)


class TrainConfig(Config):
    """Progressive rendering distillation."""

    iterations: int = Field(gt=0)
    """Optimiser steps."""
    workers: int = Field(default=1, ge=1)
    """Data-parallel processes."""
    prompts_per_worker: int = Field(default=2, ge=1)
    """Prompts of one micro-batch on one worker."""
    accumulation: int = Field(default=1, ge=1)
    """Micro-batches an optimiser step."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    optimiser: Literal["adan", "adamw"] = "adan"
    learning_rate: float = Field(default=2e-4, gt=0)
    """Of adapters and plane output."""
    head_learning_rate: float = Field(default=2e-4, gt=0)
    """Of the field heads."""
    max_inflight_steps: int = Field(default=4, ge=1)
    """Denoising steps whose teachers may still be at work: 1 takes least memory, K overlaps most."""
    recompute: bool = False
    """Keep nothing of a step for its backward pass, run it again there: a third more work for the student, and the
    memory of one step however many are in flight."""
    seed: int = 0
    cluster_weight: float = Field(default=0.0, ge=0.0, le=1.0)
    """How much a prompt's popularity counts: an epoch visits it `cluster_size ** cluster_weight` times, more or less
    often where the corpus's sources have weights."""
    cameras: CameraConfig = CameraConfig()
    views: int = Field(default=4, ge=1)
    volume: VolumeConfig | None = VolumeConfig()
    mesh: MeshConfig | None = MeshConfig()
    background: Literal["white", "random"] = "random"
    """Behind the rendered object: white, or one random colour for each prompt and step."""
    compare_teachers_every: int = Field(default=20, ge=0)
    """Iterations between two measurements of each teacher's share and of how far they agree, which cost as much as a
    rendering's backward pass for each; 0 for none."""
    checkpoint_every: int = Field(default=500, ge=1)
    keep_checkpoints: int = Field(default=3, ge=1)


class ClusterConfig(Config):
    """Resources; never changes a result."""

    gpus_per_worker: float = Field(default=0.0, ge=0)
    cpus_per_worker: float = Field(default=1.0, ge=0)
    max_restarts: int = Field(default=1, ge=0)
    """Times that lost workers are started again from the last checkpoint."""
    object_store_mb: int = Field(default=200, ge=80)
    """Shared memory of a Ray instance that is started here; a cluster keeps its own."""


class TrainingRecipe(Config):
    """What training needs of a recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    """Begins the name of everything that is made by it."""
    generator: GeneratorConfig
    teachers: TeachersConfig
    train: TrainConfig
    cluster: ClusterConfig = ClusterConfig()

    @field_validator("teachers", mode="before")
    @classmethod
    def _without_null(cls, teachers: Any) -> Any:
        """A null leaves out a teacher of the recipe that is extended."""
        if isinstance(teachers, dict):
            return {name: teacher for name, teacher in teachers.items() if teacher is not None}
        return teachers

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if not self.teachers:
            raise ValueError("teachers: there must be at least one")
        if self.train.volume is None and self.train.mesh is None:
            raise ValueError("train: leave out the volume or the mesh renderer, not both")
        return self

    def training_digest(self) -> str:
        """Digest of what determines the trained weights: not where teachers and workers sit, nor what is kept."""
        tree = self.model_dump(mode="json", include={"generator", "teachers", "train"})
        for teacher in tree["teachers"].values():
            del teacher["placement"]
        for name in (
            "checkpoint_every",
            "keep_checkpoints",
            "compare_teachers_every",
            "max_inflight_steps",
            "recompute",
        ):
            del tree["train"][name]
        return digest(tree)

    def weights(self) -> list[str]:
        """References of all pretrained models that training loads."""
        return sorted({self.generator.base, *(teacher.weights for teacher in self.teachers.values())})
