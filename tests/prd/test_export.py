"""Mesh files: opened by another library, right way round, right colours."""

import io
import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from pxr import Ar, Usd, UsdGeom, UsdShade

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
    if texture_size is None and suffix == ".glb":
        found = glb_colours(path) ** (1 / 2.2)  # linear light, by about this power
    elif texture_size is None or suffix == ".ply":
        found = loaded.visual.vertex_colors[:, :3] / 255
    else:
        found = loaded.visual.to_color().vertex_colors[:, :3] / 255
    assert np.abs(found - expected).max() < 0.05


def glb_colours(path) -> np.ndarray:  # [N, 3] in [0, 1]
    """Vertex colours as the file has them; trimesh drops those of a mesh with a material."""
    content = path.read_bytes()
    length = int.from_bytes(content[12:16], "little")
    tree, data = json.loads(content[20 : 20 + length]), content[28 + length :]
    assert tree["materials"][tree["meshes"][0]["primitives"][0]["material"]]["pbrMetallicRoughness"] == {
        "metallicFactor": 0.0,
        "roughnessFactor": 1.0,
    }
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    assert accessor["componentType"] == 5121 and accessor["type"] == "VEC4"  # unsigned bytes
    values = np.frombuffer(data, np.uint8, accessor["count"] * 4, view.get("byteOffset", 0))
    return values.reshape(-1, 4)[:, :3] / 255


def test_a_material_file_does_not_dim_its_texture(tmp_path, ellipsoid):
    write_mesh(ellipsoid, tmp_path / "shape.obj", 64, colour_at)
    lines = (tmp_path / "shape.mtl").read_text().splitlines()
    found = {
        line.split()[0]: [float(value) for value in line.split()[1:]] for line in lines if line[:2] in ("Kd", "Ks")
    }
    assert found == {"Kd": [1.0, 1.0, 1.0], "Ks": [0.0, 0.0, 0.0]}


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
    holed = Mesh(ellipsoid.vertices.clone(), ellipsoid.faces, ellipsoid.colours)
    holed.vertices[7] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        write_mesh(holed, tmp_path / "shape.usda", 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usd", ".usdz"])
@pytest.mark.parametrize("texture_size", [None, 128])
def test_usd_opens_elsewhere(tmp_path, ellipsoid, suffix, texture_size):
    path = tmp_path / f"shape{suffix}"
    write_mesh(ellipsoid, path, texture_size, colour_at)
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Z" and UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    shape = UsdGeom.Mesh(next(prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)))
    assert stage.GetDefaultPrim().GetPath() == shape.GetPath().GetParentPath()
    assert shape.GetSubdivisionSchemeAttr().Get() == "none" and shape.GetOrientationAttr().Get() == "rightHanded"

    vertices = np.array(shape.GetPointsAttr().Get())
    assert set(shape.GetFaceVertexCountsAttr().Get()) == {3}
    faces = np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    assert len(faces) == len(ellipsoid.faces)
    assert trimesh.Trimesh(vertices, faces, process=False).volume == pytest.approx(ellipsoid.volume, rel=1e-4)
    assert np.array(shape.GetExtentAttr().Get()) == pytest.approx(ellipsoid.bounds.numpy())
    normals = np.array(shape.GetNormalsAttr().Get())
    assert len(normals) == len(vertices) and (normals * vertices).sum(-1).min() > 0, "they point outwards"

    if texture_size is None:
        assert shape.GetDisplayColorPrimvar().GetInterpolation() == "vertex"
        assert np.array(shape.GetDisplayColorPrimvar().Get()) == pytest.approx(ellipsoid.colours.numpy())
        return
    uv = np.array(UsdGeom.PrimvarsAPI(shape).GetPrimvar("st").Get())
    material, _ = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()
    assert material.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"
    (texture,) = (prim for prim in stage.Traverse() if UsdShade.Shader(prim).GetIdAttr().Get() == "UsdUVTexture")
    found = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(UsdShade.Shader(texture).GetInput("file").Get().resolvedPath))
    picture = np.asarray(Image.open(io.BytesIO(bytes(found.GetBuffer()))))
    rows, columns = ((1 - uv[:, 1]) * 128).astype(int).clip(0, 127), (uv[:, 0] * 128).astype(int).clip(0, 127)
    assert np.abs(picture[rows, columns] / 255 - colour_at(torch.tensor(vertices)).numpy()).max() < 0.05
    assert {file.name for file in tmp_path.iterdir()} == {path.name} | ({"shape.png"} if suffix != ".usdz" else set())


def test_a_file_is_replaced_whole(tmp_path, ellipsoid):
    path = tmp_path / "shape.OBJ"
    path.write_text("old")
    write_mesh(ellipsoid, path, 64, colour_at)
    assert {file.name for file in tmp_path.iterdir()} == {"shape.OBJ", "shape.mtl", "shape.png"}
    assert "mtllib shape.mtl" in path.read_text() and "shape.png" in (tmp_path / "shape.mtl").read_text()
