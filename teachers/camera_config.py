"""The cameras of a training step, as a recipe section. Kept apart from the tensors: it imports in milliseconds."""

from typing import Self

from pydantic import Field, model_validator

from infra.config import Config


class CameraConfig(Config):
    """Where training cameras stand. All look at the origin; the views of a prompt go around it evenly."""

    elevation_deg: tuple[float, float] = (0.0, 30.0)
    """Range of the elevation above the horizon, drawn once a prompt."""
    relative_distance: tuple[float, float] = (0.8, 1.0)
    """Range of distance times tan(fov / 2), drawn once a prompt: 1 shows two world units over the image's height."""
    fov_deg: float = Field(default=60.0, gt=0.0, lt=180.0)
    """Vertical field of view."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for name in ("elevation_deg", "relative_distance"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the range ({low}, {high}) runs backwards")
        if self.elevation_deg[0] <= -90.0 or self.elevation_deg[1] >= 90.0:
            raise ValueError("elevation_deg must stay inside (-90, 90): 'up' has no meaning at the poles")
        if self.relative_distance[0] <= 0.0:
            raise ValueError("relative_distance must be positive")
        return self
