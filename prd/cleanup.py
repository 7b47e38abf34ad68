"""Pieces that float beside an object.

Legend: N vertices, F faces, P pieces.
"""

import torch
from torch import Tensor

from prd.mesh import Mesh, keep_faces

SMALLEST_SHARE = 0.05
"""Of the largest piece's area: what is smaller is dropped."""


def without_floaters(mesh: Mesh, smallest_share: float = SMALLEST_SHARE) -> tuple[Mesh, int]:
    """The mesh without its small pieces, walls of closed cavities among them, and how many were dropped.

    A piece is what is connected by faces. The largest one always stays.
    """
    if mesh.is_empty:
        return mesh, 0
    piece = _pieces(mesh)[mesh.faces[:, 0]]  # [F]
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(dim=1)
    area = torch.zeros(int(piece.max()) + 1, dtype=torch.float64)
    area.index_add_(0, piece, torch.linalg.cross(b - a, c - a).norm(dim=-1))
    stays = area >= smallest_share * area.max()  # [P]
    faces = mesh.faces[stays[piece]]
    # Vertices without faces are pieces too, but nobody's: `area` 0 with no face, not counted as dropped.
    dropped = len(piece[~stays[piece]].unique())
    return keep_faces(mesh.vertices, faces, mesh.colours) if dropped else mesh, dropped


def _pieces(mesh: Mesh) -> Tensor:  # -> [N] int64, which piece each vertex belongs to
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = torch.cat([mesh.faces[:, :2], mesh.faces[:, 1:]]).numpy()
    size = len(mesh.vertices)
    graph = coo_array(([1] * len(edges), (edges[:, 0], edges[:, 1])), shape=(size, size))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()
