"""Mesh files: opened by another library, right way round, right colours."""

import numpy as np
import pytest
import torch
import trimesh

from infra.errors import InputError
from prd.export import write_mesh
from prd.mesh import Mesh
from prd.render.isosurface import extract_surface
from prd.render.mesh import grid_points


def colour_at(points: torch.Tensor) -> torch.Tensor:
    """Colour by place: red grows with x, green with y, blue with z."""
    return (points * 0.5 + 0.5).clamp(0, 1)


@pytest.fixture(scope="module")
def ellipsoid() -> Mesh:
    grid = grid_points(24, torch.device("cpu"))
    surface = extract_surface((grid / torch.tensor([0.8, 0.6, 0.4])).norm(dim=-1) - 1)
    return Mesh(surface.vertices, surface.faces, colour_at(surface.vertices))


def to_ours(vertices: np.ndarray, suffix: str) -> np.ndarray:
    """GLB has y up and its front at +z."""
    return vertices[:, [2, 0, 1]] if suffix == ".glb" else vertices


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
@pytest.mark.parametrize("texture_size", [None, 256])
def test_files_open_elsewhere(tmp_path, ellipsoid, suffix, texture_size):
    path = tmp_path / f"shape{suffix}"
    write_mesh(ellipsoid, path, texture_size, colour_at)
    loaded = trimesh.load(path, force="mesh", process=False)
    assert len(loaded.faces) == len(ellipsoid.faces)
    assert loaded.volume == pytest.approx(ellipsoid.volume, rel=1e-4)  # positive: faces look outwards
    vertices = to_ours(np.asarray(loaded.vertices), suffix)
    assert np.ptp(vertices, axis=0) == pytest.approx([1.6, 1.2, 0.8], abs=0.02)

    expected = colour_at(torch.tensor(vertices)).numpy()
    if texture_size is None or suffix == ".ply":
        found = loaded.visual.vertex_colors[:, :3] / 255
    else:
        found = loaded.visual.to_color().vertex_colors[:, :3] / 255
    assert np.abs(found - expected).max() < 0.05


def test_the_texture_is_finer_than_the_vertices(tmp_path, ellipsoid):
    """Stripes that no vertex colour could hold."""

    def stripes(points):
        return (torch.sin(points[:, 2:3] * 60) > 0).float().expand(-1, 3)

    write_mesh(ellipsoid, tmp_path / "striped.glb", 512, stripes)
    loaded = trimesh.load(tmp_path / "striped.glb", force="mesh", process=False)
    texture = np.asarray(loaded.visual.material.baseColorTexture.convert("L"))
    samples, faces = trimesh.sample.sample_surface(loaded, 2000, seed=0)
    corners = loaded.triangles[faces]
    weights = trimesh.triangles.points_to_barycentric(corners, samples)
    uv = (loaded.visual.uv[loaded.faces[faces]] * weights[..., None]).sum(1)
    rows = ((1 - uv[:, 1]) * 512).astype(int).clip(0, 511)
    columns = (uv[:, 0] * 512).astype(int).clip(0, 511)
    expected = np.sin(to_ours(samples, ".glb")[:, 2] * 60) > 0
    assert ((texture[rows, columns] > 127) == expected).mean() > 0.9


def test_what_cannot_be_written_is_named(tmp_path, ellipsoid):
    with pytest.raises(InputError, match=r"\.glb, \.obj, \.ply"):
        write_mesh(ellipsoid, tmp_path / "shape.stl")
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))
    with pytest.raises(InputError, match="no surface"):
        write_mesh(empty, tmp_path / "shape.glb")
