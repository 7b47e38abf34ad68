"""Cameras that look at the origin: poses, pixel rays and projection.

World: right-handed, z up, front at +x; azimuth 0 is +x and grows towards +y. Angles are degrees, lengths world units
(the object fills the cube [-1, 1]).

Legend: N cameras, H rows and W columns of the image, row 0 at its top.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachers.camera_config import CameraConfig


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras, float32."""

    c2w: Tensor  # [N, 4, 4] camera to world; columns: right, up, backwards, position
    fov_deg: Tensor  # [N] vertical field of view
    distance: Tensor  # [N] from the origin
    relative_distance: Tensor  # [N] distance times tan(fov / 2)

    def __len__(self) -> int:
        return len(self.c2w)

    @classmethod
    def join(cls, batches: "Sequence[Cameras]") -> "Cameras":
        """The cameras of all batches, in order."""
        return cls(*(torch.cat(tensors) for tensors in zip(*(batch._tensors for batch in batches), strict=True)))

    def __getitem__(self, index: int | slice | Tensor) -> "Cameras":
        """Some of the cameras; one index gives a batch of one."""
        if isinstance(index, int):
            index = range(len(self))[index]  # counts from the end when negative, complains when outside
            index = slice(index, index + 1)
        return Cameras(*(tensor[index] for tensor in self._tensors))

    def select(self, indices: Tensor) -> "Cameras":  # [M] int64, or bool [N]
        """The cameras at `indices`, in that order."""
        return self[indices.to(self.device)]

    def to(self, device: torch.device | str) -> "Cameras":
        return Cameras(*(tensor.to(device) for tensor in self._tensors))

    @property
    def device(self) -> torch.device:
        return self.c2w.device

    @property
    def position(self) -> Tensor:  # [N, 3]
        return self.c2w[:, :3, 3]

    def rays(self, height: int, width: int) -> tuple[Tensor, Tensor]:  # [N, H, W, 3], [N, H, W, 3]
        """Origins and unit directions of the rays through the pixel centres, in world space."""
        rows = torch.arange(height, device=self.device) + 0.5 - height / 2
        columns = torch.arange(width, device=self.device) + 0.5 - width / 2
        focal = (0.5 * height / self._tangent)[:, None, None]  # [N, 1, 1] in pixels
        y, x = torch.broadcast_tensors(-rows[None, :, None] / focal, columns[None, None, :] / focal)
        local = torch.stack([x, y, -torch.ones_like(x)], dim=-1)  # [N, H, W, 3]
        directions = torch.einsum("nij,nhwj->nhwi", self.c2w[:, :3, :3], local)
        origins = self.position[:, None, None, :].expand_as(directions)
        return origins, torch.nn.functional.normalize(directions, dim=-1)

    def mvp(self, height: int, width: int, near: float = 0.1, far: float = 1000.0) -> Tensor:  # [N, 4, 4]
        """World to clip space, for column vectors, in the rasterisers' convention.

        The y row is negated, so that the image's row 0 lies at clip y = -w; z runs from -w (near) to w (far).
        """
        projection = torch.zeros_like(self.c2w)
        projection[:, 0, 0] = height / (width * self._tangent)
        projection[:, 1, 1] = -1.0 / self._tangent
        projection[:, 2, 2] = -(far + near) / (far - near)
        projection[:, 2, 3] = -2.0 * far * near / (far - near)
        projection[:, 3, 2] = -1.0
        return projection @ self.w2c

    @property
    def w2c(self) -> Tensor:  # [N, 4, 4]
        """World to camera: the inverse of `c2w`, which is a rotation and a translation."""
        rotation = self.c2w[:, :3, :3].transpose(1, 2)
        inverse = torch.zeros_like(self.c2w)
        inverse[:, :3, :3] = rotation
        inverse[:, :3, 3:] = -rotation @ self.c2w[:, :3, 3:]
        inverse[:, 3, 3] = 1.0
        return inverse

    @property
    def _tangent(self) -> Tensor:  # [N]
        return torch.tan(torch.deg2rad(self.fov_deg) / 2)

    @property
    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.c2w, self.fov_deg, self.distance, self.relative_distance


def orbit(
    azimuth_deg: Tensor | float,  # [N], or a number for all
    elevation_deg: Tensor | float,  # likewise; inside (-90, 90)
    distance: Tensor | float,
    fov_deg: Tensor | float,
) -> Cameras:
    """Cameras on spheres around the origin, looking at it, upright. They are made on the CPU, in double precision."""
    given = (azimuth_deg, elevation_deg, distance, fov_deg)
    columns = (torch.as_tensor(value, dtype=torch.float64, device="cpu").reshape(-1) for value in given)
    azimuth, elevation, distances, fov = torch.broadcast_tensors(*columns)
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    zero = torch.zeros_like(a)

    backwards = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], dim=-1)
    right = torch.stack([-a.sin(), a.cos(), zero], dim=-1)
    up = torch.stack([-e.sin() * a.cos(), -e.sin() * a.sin(), e.cos()], dim=-1)
    c2w = torch.eye(4, dtype=torch.float64).repeat(len(a), 1, 1)
    c2w[:, :3] = torch.stack([right, up, backwards, distances[:, None] * backwards], dim=-1)

    relative = distances * torch.tan(torch.deg2rad(fov) / 2)
    return Cameras(*(tensor.float().contiguous() for tensor in (c2w, fov, distances, relative)))


def sample_training_cameras(prompts: int, views: int, generator: torch.Generator, config: CameraConfig) -> Cameras:
    """Draw the cameras of one training step: `prompts * views` of them, prompt-major, on the CPU.

    The views of a prompt share elevation and distance and stand evenly around the object from a random start.
    """

    def uniform(low: float, high: float) -> Tensor:  # [prompts * views], one draw a prompt
        draw = torch.rand(prompts, generator=generator, dtype=torch.float64)
        return (low + (high - low) * draw).repeat_interleave(views)

    elevation = uniform(*config.elevation_deg)
    relative_distance = uniform(*config.relative_distance)
    turn = 360.0 / views
    azimuth = -180.0 + uniform(0.0, turn) + turn * torch.arange(views, dtype=torch.float64).repeat(prompts)
    half_fov = torch.deg2rad(torch.tensor(config.fov_deg, dtype=torch.float64)) / 2
    return orbit(azimuth, elevation, relative_distance / torch.tan(half_fov), config.fov_deg)
