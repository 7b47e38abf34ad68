"""The implicit fields that a triplane describes: signed distance, its gradient, grid deformation and colour.

Legend: B prompts, P = 6 planes, C channels of a plane, H and W texels, N points of a prompt.
World frame: right-handed, z up, front at +x, inside the cube [-1, 1]^3. Signed distances are negative inside.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# World axis and sign behind a plane's column u and row v, for the planes xy, xz and yz: xy is seen from above with the
# front at the bottom, xz from +y, yz from the front.
_COLUMN = ((1, 1.0), (0, -1.0), (1, 1.0))
_ROW = ((0, 1.0), (2, -1.0), (2, -1.0))


@dataclass(frozen=True)
class Perceptron:
    """Two hidden ReLU layers without biases, in float32 whatever the autocast state."""

    first: Tensor  # [width, inputs]
    second: Tensor  # [width, width]
    last: Tensor  # [outputs, width]

    def __call__(self, features: Tensor) -> Tensor:  # [..., inputs] -> [..., outputs]
        hidden = F.relu(F.linear(features.float(), self.first))
        return F.linear(F.relu(F.linear(hidden, self.second)), self.last)

    def with_gradient(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The only output `[..., 1]` and its gradient with respect to the features `[..., inputs]`.

        The gradient is written out with ordinary operations, so it can be trained through without second-order
        automatic differentiation.
        """
        first = F.linear(features.float(), self.first)
        second = F.linear(F.relu(first), self.second)
        output = F.linear(F.relu(second), self.last)
        slope = self.last[0] * (second > 0)
        slope = (slope @ self.second) * (first > 0)
        return output, slope @ self.first


class FieldHead(nn.Module):
    """The trained matrices of a `Perceptron`. It owns all three, so that sharded training gathers them together."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        sizes = (inputs, width, width, outputs)
        layers = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
        self.first, self.second, self.last = (layer.weight for layer in layers)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Copies, attached to the graph: they outlive the gathering, and queries in parts may use them at any time."""
        return self.first.clone(), self.second.clone(), self.last.clone()


@dataclass(frozen=True)
class Perceptrons:
    """The three that read plane features."""

    distance: Perceptron
    deformation: Perceptron
    colour: Perceptron


class FieldHeads(nn.Module):
    """The trained matrices of `Perceptrons`."""

    def __init__(self, plane_channels: int, width: int) -> None:
        super().__init__()
        self.distance = FieldHead(plane_channels, width, 1)
        self.deformation = FieldHead(plane_channels, width, 3)
        self.colour = FieldHead(3 * plane_channels, width, 3)

    def read(self) -> Perceptrons:
        """As they are now."""
        return Perceptrons(*(Perceptron(*head()) for head in (self.distance, self.deformation, self.colour)))


@dataclass(frozen=True)
class TriplaneFields:
    """The fields of B prompts. All queries are differentiable in the planes and the heads."""

    planes: Tensor  # [B, 6, C, H, W]: xy, xz, yz for geometry, then for texture
    heads: Perceptrons
    sphere_radius: float = 0.5

    def __getitem__(self, prompt: int) -> "TriplaneFields":
        """The fields of one prompt, B = 1."""
        return TriplaneFields(self.planes[prompt : prompt + 1], self.heads, self.sphere_radius)

    def sdf(self, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N, 1]
        """Signed distance: the head's output plus that of a sphere. Differentiable in the points too."""
        return self.heads.distance(self.geometry_features(points)) + self._sphere(points)

    def sdf_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance `[B, N, 1]` and its gradient in space `[B, N, 3]`, which points outwards.

        The gradient itself is differentiable once in the planes and heads; nothing flows to the points.
        """
        points = points.detach()
        geometry = self.planes[:, :3]
        distances, slope = self.heads.distance.with_gradient(self.geometry_features(points))
        along_column, along_row = _plane_derivatives(geometry, points)  # [B, 3, N, C] each
        along_column = (along_column * slope.unsqueeze(1)).sum(-1)  # [B, 3, N]
        along_row = (along_row * slope.unsqueeze(1)).sum(-1)
        components: list[Tensor] = [torch.zeros_like(points[..., 0]) for _ in range(3)]
        for plane in range(3):
            for (axis, sign), derivative in ((_COLUMN[plane], along_column), (_ROW[plane], along_row)):
                components[axis] = components[axis] + sign * derivative[:, plane]
        gradient = torch.stack(components, dim=-1) + F.normalize(points, dim=-1)
        return distances + self._sphere(points), gradient

    def deformation(self, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N, 3]
        """Displacement of grid points, in grid voxels."""
        return self.heads.deformation(self.geometry_features(points))

    def sdf_and_deformation(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Both for the price of one look at the planes: `[B, N, 1]` and `[B, N, 3]`."""
        features = self.geometry_features(points)
        return self.heads.distance(features) + self._sphere(points), self.heads.deformation(features)

    def colour(self, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N, 3]
        """Unlit colour. The sigmoid is stretched a little so that pure black and white can be reached; the ends lie
        0.001 outside [0, 1]."""
        return torch.sigmoid(self.heads.colour(self.texture_features(points))) * 1.002 - 0.001

    def geometry_features(self, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N, C]
        """Sum of the three geometry planes."""
        return _sample(self.planes[:, :3], points).sum(1)

    def texture_features(self, points: Tensor) -> Tensor:  # [B, N, 3] -> [B, N, 3*C]
        """The three texture planes side by side."""
        return _sample(self.planes[:, 3:], points).transpose(1, 2).flatten(2)

    def _sphere(self, points: Tensor) -> Tensor:
        return points.norm(dim=-1, keepdim=True) - self.sphere_radius


def _coordinates(points: Tensor) -> tuple[Tensor, Tensor]:
    """Column u and row v of every point on the three planes, `[B, 3, N]` each, in [-1, 1] inside the cube."""
    columns = torch.stack([sign * points[..., axis] for axis, sign in _COLUMN], dim=1)
    rows = torch.stack([sign * points[..., axis] for axis, sign in _ROW], dim=1)
    return columns, rows


def _bilinear(planes: Tensor, columns: Tensor, rows: Tensor) -> Tensor:  # [B, 3, C, H, W], [B, 3, N] -> [B, 3, N, C]
    grid = torch.stack((columns, rows), dim=-1).flatten(0, 1).unsqueeze(2)  # [B*3, N, 1, 2]
    sampled = F.grid_sample(planes.flatten(0, 1), grid, align_corners=False)  # zero outside
    return sampled.squeeze(-1).mT.unflatten(0, planes.shape[:2])


def _sample(planes: Tensor, points: Tensor) -> Tensor:  # [B, 3, C, H, W], [B, N, 3] -> [B, 3, N, C]
    return _bilinear(planes, *_coordinates(points))


def _plane_derivatives(planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of the bilinear samples along u and v, `[B, 3, N, C]` each.

    Along its axis a bilinear sample is piecewise linear: its slope is the difference of neighbouring texels,
    constant between them, and still linear across. So it is a bilinear sample of the difference plane, taken exactly
    on that axis' index. All of it is first order in the planes.
    """
    columns, rows = _coordinates(points)
    height, width = planes.shape[-2:]
    by_column = F.pad(planes, (1, 1)).diff(dim=-1)  # [B, 3, C, H, W + 1]
    by_row = F.pad(planes, (0, 0, 1, 1)).diff(dim=-2)
    along_column = _bilinear(by_column, _difference_index(columns, width), rows) * (width / 2)
    along_row = _bilinear(by_row, columns, _difference_index(rows, height)) * (height / 2)
    return along_column, along_row


def _difference_index(coordinates: Tensor, size: int) -> Tensor:
    """Where, in [-1, 1], a difference plane of `size + 1` texels holds the slope at `coordinates`."""
    texel = ((coordinates + 1) * size - 1) / 2
    return (2 * (texel.floor() + 1) + 1) / (size + 1) - 1
