"""Base types of every recipe section."""

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Config(BaseModel):
    """A frozen recipe section: unknown keys are errors, equal content has an equal digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON of this section."""
        return digest(self.model_dump(mode="json"))


def digest(content: Any) -> str:
    """Hex SHA-256 of JSON-compatible `content`, independent of key order and machine."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


class RampConfig(Config):
    """A value that moves linearly between two fractions of the run and is constant outside them."""

    start: float
    end: float
    from_fraction: float = Field(default=0.0, ge=0.0)
    to_fraction: float = Field(default=1.0, gt=0.0)
    """May exceed 1: the reference's schedules end at 4/3 of its run."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to_fraction <= self.from_fraction:
            raise ValueError(f"to_fraction ({self.to_fraction}) must exceed from_fraction ({self.from_fraction})")
        return self

    def at(self, progress: float) -> float:
        """Value at `progress`, the finished fraction of the run in [0, 1]."""
        share = (progress - self.from_fraction) / (self.to_fraction - self.from_fraction)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


def _constant(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"start": value, "end": value}
    return value


Ramp = Annotated[RampConfig, BeforeValidator(_constant)]
"""A schedule in a recipe: a mapping of `RampConfig`, or one number for a constant."""
