"""Fewer faces for the same shape.

Legend: N vertices, F faces.
"""

from itertools import chain

import torch
from torch import Tensor

from prd.mesh import Mesh, keep_faces, signed_volume
from prd.texture import ColourAt

_SAME_PLACE = 1e-6
"""World units below which vertices are one."""
_NO_AREA = 1e-12
_LEAST_VOLUME = 0.2
"""Of the volume there was: below, the shape is lost."""


def decimated(mesh: Mesh, faces: int, colour_at: ColourAt) -> Mesh:
    """A closed mesh of about `faces` faces by quadric edge collapse, without degenerate or doubled ones.

    It may have a few faces less, and more where so few cannot hold the shape.

    Args:
        mesh: closed, with faces that look outwards; of no more than `faces` it comes back itself.
        faces: at least 4.
        colour_at: colours of the new vertices.
    """
    if len(mesh.faces) <= faces:
        return mesh
    # Where edge collapse ends in a fold or a sliver, it does not a few faces on.
    fewer = (faces - faces * percent // 100 for percent in range(0, 11, 2))
    more = (faces * 2**doubling for doubling in range(1, 30))
    for target in chain(fewer, more):
        if target >= len(mesh.faces):
            break
        vertices, corners = _collapse(mesh, target)
        if _is_sound(vertices, corners, mesh.volume):
            new = keep_faces(vertices, corners, torch.zeros_like(vertices))
            return Mesh(new.vertices, new.faces, colour_at(new.vertices))
    return mesh


def _collapse(mesh: Mesh, target: int) -> tuple[Tensor, Tensor]:  # [N, 3], [F, 3]
    from fast_simplification import simplify

    vertices, faces = simplify(mesh.vertices.double().numpy(), mesh.faces.int().numpy(), target_count=target)[:2]
    return _welded(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())


def _welded(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Without needles and folds. A face between fewer than three places, and two faces back to back, bound nothing:
    without them a closed mesh is closed."""
    _, place = (vertices / _SAME_PLACE).round().unique(dim=0, return_inverse=True)
    first = torch.full((len(vertices),), len(vertices)).scatter_reduce(0, place, torch.arange(len(vertices)), "amin")
    faces = first[place][faces]
    a, b, c = faces.unbind(dim=1)
    faces = faces[(a != b) & (b != c) & (c != a)]
    _, same, count = faces.sort(dim=1).values.unique(dim=0, return_inverse=True, return_counts=True)
    return vertices, faces[(count % 2 == 1)[same]]


def _is_sound(vertices: Tensor, faces: Tensor, volume: float) -> bool:  # [N, 3], [F, 3]
    """Whether every edge is run along as often in either direction, every face has an area, and the faces still enclose
    a good part of `volume`."""
    if len(faces) < 4:
        return False
    a, b, c = vertices.double()[faces].unbind(dim=1)
    if bool((torch.linalg.cross(b - a, c - a).norm(dim=-1) < 2 * _NO_AREA).any()):
        return False
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = (edges[:, i] * len(vertices) + edges[:, 1 - i] for i in (0, 1))
    if not torch.equal(there.sort().values, back.sort().values):
        return False
    return signed_volume(vertices.double(), faces).item() > _LEAST_VOLUME * volume
