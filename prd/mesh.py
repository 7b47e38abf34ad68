"""The mesh that everything after the generator works with.

Legend: N vertices, F faces.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import trimesh


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh with vertex colours, on the CPU. World: z up, front at +x; faces look outwards."""

    vertices: Tensor  # [N, 3] float32, world units
    faces: Tensor  # [F, 3] int64
    colours: Tensor  # [N, 3] float32 in [0, 1]

    @property
    def is_empty(self) -> bool:
        return len(self.faces) == 0

    @property
    def bounds(self) -> Tensor:  # [2, 3]
        """Lowest and highest coordinates of the vertices; zeros without any."""
        if len(self.vertices) == 0:
            return torch.zeros(2, 3)
        return torch.stack([self.vertices.amin(dim=0), self.vertices.amax(dim=0)])

    @property
    def volume(self) -> float:
        """Enclosed volume in cubic world units: positive when the faces of a closed mesh look outwards."""
        return signed_volume(self.vertices.double(), self.faces).item()

    def normalised(self, longest_side: float) -> "Mesh":
        """Centred on the origin and scaled so that the longest side of the bounding box is `longest_side`."""
        low, high = self.bounds
        size = (high - low).max().item()
        if size == 0.0:
            return self
        return replace(self, vertices=(self.vertices - (low + high) / 2) * (longest_side / size))

    def to_trimesh(self) -> "trimesh.Trimesh":
        """The same mesh as trimesh's, vertex for vertex."""
        import trimesh

        colours = (self.colours.clamp(0, 1) * 255).round().byte().numpy()
        return trimesh.Trimesh(self.vertices.numpy(), self.faces.numpy(), vertex_colors=colours, process=False)


def why_unusable(mesh: Mesh) -> str:
    """Why a mesh can be neither looked at nor written; empty when it can."""
    if mesh.is_empty:
        return "the mesh is empty"
    if not (mesh.vertices.isfinite().all() and mesh.colours.isfinite().all()):
        return "the mesh has values that are not finite"
    low, high = mesh.bounds
    if float((high - low).max()) == 0.0:
        return "the mesh has no extent"
    return ""


def keep_faces(vertices: Tensor, faces: Tensor, colours: Tensor) -> Mesh:  # [N, 3], [F, 3], [N, 3]
    """A mesh of these faces and no other vertices than theirs."""
    used, corners = faces.unique(return_inverse=True)
    return Mesh(vertices[used], corners.view_as(faces), colours[used])


def signed_volume(vertices: Tensor, faces: Tensor) -> Tensor:  # [N, 3], [F, 3] → []
    """Volume inside a closed mesh, positive when its faces look outwards; differentiable."""
    a, b, c = vertices[faces].unbind(dim=1)
    return (a * torch.linalg.cross(b, c)).sum() / 6


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:  # [N, 3], [F, 3] → [N, 3]
    """Unit normals, each the area-weighted mean over the faces around a vertex; (0, 0, 1) where that vanishes."""
    a, b, c = (vertices.index_select(0, corner) for corner in faces.unbind(dim=1))
    face_normals = torch.linalg.cross(b - a, c - a)  # twice the area long
    total = torch.zeros_like(vertices)
    for corner in faces.unbind(dim=1):
        total = total.index_add(0, corner, face_normals)
    # Decided on the squared length, so that no gradient runs through the norm of a vanishing vector.
    squared = total.detach().square().sum(dim=-1, keepdim=True)
    upwards = torch.tensor([0.0, 0.0, 1.0], dtype=vertices.dtype, device=vertices.device)
    return torch.nn.functional.normalize(torch.where(squared > 1e-20, total, upwards), dim=-1)
