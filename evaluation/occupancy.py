"""Which points of a grid lie inside a mesh.

A vertical line is drawn through every column of the grid. Each face it passes adds or takes away one turn around the
points above, by the side it shows from below; a point with turns left over is inside. So parts may overlap, faces may
all look inwards, and holes stay holes.

Legend: G grid points along an edge, F faces, C crossings of faces and columns.
"""

from functools import lru_cache

import torch
from torch import Tensor

from infra.seeds import generator_for
from prd.mesh import Mesh

RESOLUTION = 48
"""G."""

_CELL = 2 / RESOLUTION


@lru_cache(maxsize=1)
def grid() -> Tensor:  # [G, G, G, 3] float64, index order x, y, z
    """A point in each cell of [-1, 1]^3, the same at every call.

    Each column is moved at random within its cells: so none passes along an edge of a regular mesh, and flat faces
    between the points of a row cut off a fair share of them.
    """
    steps = torch.arange(RESOLUTION, dtype=torch.float64)
    cells = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1)
    return (cells + _offsets()[:, :, None]) * _CELL - 1


@lru_cache(maxsize=1)
def _offsets() -> Tensor:  # [G, G, 3] in [0, 1)
    """Where in its cells each column lies."""
    return torch.rand(RESOLUTION, RESOLUTION, 3, generator=generator_for("columns"), dtype=torch.float64)


@torch.no_grad()
def occupancy(mesh: Mesh) -> Tensor:  # [G, G, G] bool
    """The points of `grid()` inside a mesh; where it is not closed, also those above the gap."""
    column, height, turn = _crossings(mesh.vertices.double()[mesh.faces])
    lowest = _offsets()[..., 2].flatten()[column]
    above = torch.ceil((height + 1) / _CELL - lowest).clamp(0, RESOLUTION).long()  # the first point over the crossing
    turns = torch.zeros(RESOLUTION**2 * (RESOLUTION + 1), dtype=torch.int32)
    turns.index_add_(0, column * (RESOLUTION + 1) + above, turn)
    return turns.view(RESOLUTION, RESOLUTION, -1)[..., :-1].cumsum(-1) != 0


def iou(one: Tensor, other: Tensor) -> float:  # any shape, bool
    """Intersection over union; 0 when both are empty."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def _crossings(corners: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # [F, 3, 3] -> [C] int64, [C], [C] int32
    """Column, height, and +1 for a face that looks down there, -1 for one that looks up."""
    columns = grid()[:, :, 0, :2].reshape(-1, 2)
    face, column = _candidates(corners[..., :2])
    a, b, c = (corners[face, corner] for corner in range(3))
    point = columns[column]

    def side(start: Tensor, end: Tensor) -> Tensor:
        """Twice the signed area of an edge's triangle with the column."""
        along, across = end[:, :2] - start[:, :2], point - start[:, :2]
        return along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]

    weights = torch.stack([side(b, c), side(c, a), side(a, b)], dim=-1)  # opposite of each corner
    hit = ((weights > 0).all(-1) | (weights < 0).all(-1)).nonzero().squeeze(1)
    weights = weights[hit]
    area = weights.sum(-1)
    height = (weights * corners[face[hit], :, 2]).sum(-1) / area
    return column[hit], height, -area.sign().int()


def _candidates(corners: Tensor) -> tuple[Tensor, Tensor]:  # [F, 3, 2] -> faces and columns, pairs that may meet
    first = torch.floor((corners.amin(1) + 1) / _CELL).clamp(0, RESOLUTION).long()  # [F, 2]
    last = torch.floor((corners.amax(1) + 1) / _CELL).clamp(-1, RESOLUTION - 1).long()
    extent = (last - first + 1).clamp(min=0)
    count = extent.prod(-1)
    face = torch.repeat_interleave(torch.arange(len(corners)), count)
    order = torch.arange(len(face)) - (count.cumsum(0) - count)[face]
    x = first[face, 0] + order // extent[face, 1]
    y = first[face, 1] + order % extent[face, 1]
    return face, x * RESOLUTION + y
