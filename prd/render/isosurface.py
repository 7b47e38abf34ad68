"""The zero level of a distance grid as a triangle mesh: marching cubes on a deformed grid, differentiable.

The case table is worked out from the cube itself. On a face of the cube, walked counter-clockwise as seen from
outside, every crossing into the inside is joined to the next crossing out of it. The two cubes at a face see the same
pairs, and every crossed edge begins one piece and ends another, so the pieces close into loops: the surface is a
closed manifold by construction.

Legend: n grid points along an edge, m = n + 2 with padding, N vertices, F faces. Index order is x, y, z.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

_CORNERS = [(c & 1, c >> 1 & 1, c >> 2 & 1) for c in range(8)]
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4)]  # a is the lower corner
_EDGE_OF = {frozenset(corners): index for index, corners in enumerate(_EDGES)}
_AXIS_OF = {1: 0, 2: 1, 4: 2}
_Triangle = tuple[int, int, int]


@dataclass(frozen=True)
class Surface:
    """A closed triangle mesh in world units; faces are counter-clockwise from outside."""

    vertices: Tensor  # [N, 3]
    faces: Tensor  # [F, 3] int64


def extract_surface(sdf: Tensor, deformation: Tensor | None = None) -> Surface:
    """The surface between negative (inside) and other values of a grid over the cube [-1, 1]^3.

    Args:
        sdf: `[n, n, n]`; a layer of positive values is put around it, which closes the surface at the box.
        deformation: displacement of the grid points in grid voxels, `[n, n, n, 3]`.

    Returns:
        Vertices are linear interpolations between displaced grid points, differentiable in both arguments.
        Empty when no value is negative.
    """
    size = sdf.shape[0]
    padded = F.pad(sdf, (1,) * 6, value=1.0)
    moved = None if deformation is None else F.pad(deformation, (0, 0) + (1,) * 6).flatten(0, 2)
    inside = padded < 0
    edge_ids, vertices = _edge_vertices(padded, moved, inside)
    faces = _faces(inside, edge_ids)
    return Surface((vertices - 1) * (2 / (size - 1)) - 1, faces)


def guard_sign(sdf: Tensor) -> Tensor:  # [n, n, n] -> [n, n, n]
    """Bend a field without a sign change until it has one, so that there is a surface to learn from.

    The centre point is drawn to -1 and the outer two layers to +1; highest and lowest value carry the gradient.
    Other fields come back themselves.
    """
    if bool((sdf > 0).any()) and bool((sdf < 0).any()):
        return sdf
    size = sdf.shape[0]
    change = torch.zeros_like(sdf)
    inner = torch.zeros_like(sdf, dtype=torch.bool)
    inner[2:-2, 2:-2, 2:-2] = True
    centre = torch.zeros_like(inner)
    centre[size // 2, size // 2, size // 2] = True
    change = torch.where(inner, change, 1 - sdf.min())
    change = torch.where(centre, -1 - sdf.max(), change)
    bent = sdf + change
    return torch.where(bent == 0, sdf, bent)


def _edge_vertices(
    padded: Tensor,  # [m, m, m]
    moved: Tensor | None,  # [m^3, 3]
    inside: Tensor,
) -> tuple[Tensor, Tensor]:  # [3 * m^3] int32, [N, 3]
    """A vertex on every edge whose ends differ: where each edge's vertex is (-1 for none), and positions in voxels."""
    size = padded.shape[0]
    strides = (size * size, size, 1)
    lower, upper = [], []
    edge_ids = padded.new_full((3, size**3), -1, dtype=torch.int32)
    count = 0
    for axis, stride in enumerate(strides):
        crossed = inside.narrow(axis, 0, size - 1) != inside.narrow(axis, 1, size - 1)
        index = (crossed.nonzero() * torch.tensor(strides, device=padded.device)).sum(-1)  # lower corners
        edge_ids[axis, index] = torch.arange(count, count + len(index), dtype=torch.int32, device=padded.device)
        count += len(index)
        lower.append(index)
        upper.append(index + stride)
    first, second = torch.cat(lower), torch.cat(upper)

    values = padded.flatten()
    low, high = values[first], values[second]
    share = (low / (low - high)).clamp(0, 1).unsqueeze(-1)
    start, end = (_grid_index(index, size).to(padded.dtype) for index in (first, second))
    if moved is not None:
        start, end = start + moved[first], end + moved[second]
    return edge_ids.flatten(), start + share * (end - start)


def _faces(inside: Tensor, edge_ids: Tensor) -> Tensor:  # [m, m, m], [3 * m^3] -> [F, 3]
    """Triangles of all cells that the surface passes through."""
    size = inside.shape[0]
    case = torch.zeros((size - 1,) * 3, dtype=torch.int64, device=inside.device)
    for corner, (x, y, z) in enumerate(_CORNERS):
        case |= inside[x : size - 1 + x, y : size - 1 + y, z : size - 1 + z].to(torch.int64) << corner
    cells = ((case > 0) & (case < 255)).nonzero()  # [cells, 3]
    table, counts = (tensor.to(inside.device) for tensor in _case_table())
    strides = torch.tensor([size * size, size, 1], device=inside.device)
    offsets = torch.tensor(
        [
            _AXIS_OF[a ^ b] * size**3 + sum(o * s for o, s in zip(_CORNERS[a], strides.tolist(), strict=True))
            for a, b in _EDGES
        ],
        device=inside.device,
    )
    cases = case[tuple(cells.unbind(-1))]
    triangles = counts[cases]
    owner = torch.repeat_interleave(torch.arange(len(cells), device=inside.device), triangles)
    first = torch.cumsum(triangles, 0) - triangles
    local = table[cases[owner], torch.arange(len(owner), device=inside.device) - first[owner]]  # [F, 3] edges of a cube
    edges = (cells[owner] * strides).sum(-1, keepdim=True) + offsets[local]
    return edge_ids[edges].to(torch.int64)


def _grid_index(index: Tensor, size: int) -> Tensor:  # [N] -> [N, 3]
    return torch.stack([index // (size * size), index // size % size, index % size], dim=-1)


@lru_cache(maxsize=1)
def _case_table() -> tuple[Tensor, Tensor]:
    """Triangles `[256, most, 3]` of each case as edges of the cube, and how many there are `[256]`."""
    cases = [[triangle for loop in _loops(case) for triangle in _triangulate(loop)] for case in range(256)]
    most = max(map(len, cases))
    table = torch.zeros(256, most, 3, dtype=torch.int64)
    for case, triangles in enumerate(cases):
        if triangles:
            table[case, : len(triangles)] = torch.tensor(triangles)
    return table, torch.tensor([len(triangles) for triangles in cases])


def _loops(case: int) -> list[list[int]]:
    """The closed loops of crossed edges in a cube whose inside corners are the bits of `case`; each is
    counter-clockwise as seen from outside the surface."""
    following: dict[int, int] = {}
    for face in _cube_faces():
        crossings = []  # (edge, whether the walk enters the inside there)
        for corner, after in zip(face, face[1:] + face[:1], strict=True):
            before_in, after_in = case >> corner & 1, case >> after & 1
            if before_in != after_in:
                crossings.append((_EDGE_OF[frozenset((corner, after))], bool(after_in)))
        for position, (edge, enters) in enumerate(crossings):
            if enters:
                leaving = crossings[(position + 1) % len(crossings)][0]
                following[edge] = leaving
    loops = []
    while following:
        start = edge = next(iter(following))
        loop = []
        while True:
            loop.append(edge)
            edge = following.pop(edge)
            if edge == start:
                break
        loops.append(loop)
    return loops


def _cube_faces() -> list[list[int]]:
    """Corners of the six faces, counter-clockwise as seen from outside."""
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, 1):
            walk = [(0, 0), (1, 0), (1, 1), (0, 1)]
            corners = [side << axis | i << u | j << v for i, j in walk]
            faces.append(corners if side else corners[::-1])
    return faces


def _triangulate(loop: list[int]) -> list[_Triangle]:
    """Cut a loop into triangles. All cuts run through the cube's interior, because one within a face could coincide
    with a neighbour's; of those that do, the one that encloses most is taken, so that round things stay round."""
    fan_apex = min(loop)
    cuts = [triangles for triangles in _triangulations(loop) if _stays_inside(triangles, loop)]
    return max(cuts, key=lambda cut: (round(_enclosed(cut), 6), sum(fan_apex in triangle for triangle in cut)))


def _triangulations(polygon: list[int]) -> Iterator[list[_Triangle]]:
    """All ways to cut a polygon into triangles along its vertices."""
    if len(polygon) < 3:
        yield []
        return
    for apex in range(1, len(polygon) - 1):
        for left in _triangulations(polygon[: apex + 1]):
            for right in _triangulations(polygon[apex:]):
                yield [*left, (polygon[0], polygon[apex], polygon[-1]), *right]


def _stays_inside(triangles: list[_Triangle], loop: list[int]) -> bool:
    sides = {frozenset(pair) for pair in zip(loop, loop[1:] + loop[:1], strict=True)}
    cuts = {frozenset(pair) for triangle in triangles for pair in combinations(triangle, 2)} - sides
    faces = [{_EDGE_OF[frozenset(pair)] for pair in zip(f, f[1:] + f[:1], strict=True)} for f in _cube_faces()]
    return not any(cut <= face for cut in cuts for face in faces)


def _enclosed(triangles: list[_Triangle]) -> float:
    """Volume between the triangles, with vertices in the middle of edges, and the cube's centre."""
    middle = torch.tensor([[_CORNERS[a], _CORNERS[b]] for a, b in _EDGES], dtype=torch.float64).mean(1) - 0.5
    return float(sum(torch.linalg.det(middle[list(triangle)]) for triangle in triangles))
