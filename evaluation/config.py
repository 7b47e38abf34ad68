"""The `evaluation:` section of a recipe."""

from typing import Literal, Self

from pydantic import Field, model_validator

from infra.config import Config


class ViewsConfig(Config):
    """Where evaluation looks from. The defaults are the paper's; the object is centred and scaled first."""

    azimuths_deg: tuple[float, ...] = Field(default=(0.0, 90.0, 180.0, 270.0), min_length=1)
    """0 is the front (+x), growing towards +y."""
    elevation_deg: float = Field(default=15.0, gt=-90.0, lt=90.0)
    """Positive looks down from above."""
    distance: float = Field(default=3.0, gt=0.0)
    """From the origin, in world units."""
    fov_deg: float = Field(default=50.0, gt=0.0, lt=180.0)
    """Vertical field of view."""
    resolution: int = Field(default=512, ge=16, le=4096)
    """Height and width in pixels."""
    longest_side: float = Field(default=1.8, gt=0.0)
    """Length to which the longest side of the bounding box is scaled."""
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Colour behind the object, in [0, 1]."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not all(0.0 <= value <= 1.0 for value in self.background):
            raise ValueError(f"background must be in [0, 1], not {self.background}")
        return self


class ClipConfig(Config):
    """The judge: an open_clip model, and the sentence around each prompt."""

    weights: str = "clip-vit-b-32"
    """An open_clip folder (`open_clip_config.json` and weights): a path, a folder below `$PRD_WEIGHTS`, or a name of
    the lock file."""
    batch_size: int = Field(default=64, ge=1)
    """Images or texts a forward pass."""
    text_prefix: str = "A photo depicts "
    """Put before every prompt, with its own space."""
    compat: bool = False
    """Score the texts as the paper's scripts did: no space after the prefix, commas and full stops dropped, `_` read
    as a space. Only to compare with numbers made that way."""


class GateConfig(Config):
    """What an evaluation must show for its checkpoint to become champion. Null switches a check off."""

    min_clip_score: float | None = Field(default=None, ge=0.0, le=250.0)
    """CLIP score times 100, as papers print it."""
    min_r_at_1: float | None = Field(default=None, ge=0.0, le=100.0)
    """R@1 over single images, in percent."""
    max_failed_fraction: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of meshes that may be missing or unusable."""
    min_improvement: float | None = 0.0
    """How much the CLIP score times 100 must exceed the present champion's; 0 lets an equal one through. Null does not
    compare."""


class EvaluationConfig(Config):
    """Which prompts are generated, how the meshes are looked at, and what is good enough."""

    prompts: str = "sample:evaluation"
    """A file with one prompt a line, or `sample:NAME` for one that comes with the project."""
    limit: int | None = Field(default=None, ge=1)
    """Use only the first so many prompts."""
    seeds: tuple[int, ...] = Field(default=(42,), min_length=1)
    """One mesh is generated per prompt and seed."""
    views: ViewsConfig = ViewsConfig()
    clip: ClipConfig = ClipConfig()
    gate: GateConfig = GateConfig()
    model_name: str = Field(default="prd", pattern=r"^[A-Za-z0-9_\- ]{1,200}$")
    """Name of the registered model."""
    save_meshes: bool = True
    """Keep every mesh as a GLB beside the report."""
    truth: Literal["miniature"] | None = None
    """Measure meshes against a world whose objects are known exactly: colours, shapes, IoU, and from how many sides a
    mark on the front is seen. Prompts outside of its language are not measured."""
    compare_untrained: bool = False
    """Show beside every mesh what the generator made of its prompt before training, judged alike."""
    compare_teachers: bool = False
    """Show beside every mesh what each teacher of the recipe samples for its prompt, judged alike. Loads them all, one
    after the other."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ from one another, not {self.seeds}")
        return self
