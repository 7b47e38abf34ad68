"""Meshes to USD: z up, a world unit is a metre, faces counter-clockwise from outside."""
# pyright: reportAttributeAccessIssue=false
# `pxr` makes its names when it is imported.

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prd.mesh import Mesh, vertex_normals
from prd.texture import Textured


def write_usd(mesh: Mesh, path: Path, skin: Textured | None = None) -> None:
    """Write a mesh with smooth normals, and with vertex colours or a texture.

    Args:
        mesh: usable.
        path: ends with `.usd`, `.usdc` (binary both), `.usda` (text) or `.usdz` (packed).
        skin: its texture, put beside the file, or into a `.usdz`; None for vertex colours.
    """
    picture = path.with_suffix(".png")
    if skin is not None:
        skin.picture.save(picture)
    packed = path.suffix.lower() == ".usdz"
    stage_path = path.with_suffix(".usdc") if packed else path
    _write_stage(mesh, stage_path, skin, picture.name)
    if packed:
        from pxr import Sdf, UsdUtils

        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(stage_path)), str(path)):
            raise OSError(f"{path} could not be packed")
        stage_path.unlink()
        picture.unlink(missing_ok=True)


def _write_stage(mesh: Mesh, path: Path, skin: Textured | None, picture: str) -> None:
    from pxr import Sdf, Usd, UsdGeom, Vt

    def floats(values: Tensor) -> np.ndarray:
        return np.ascontiguousarray(values.numpy(), dtype=np.float32)

    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/object")
    stage.SetDefaultPrim(root.GetPrim())

    vertices, normals, faces = mesh.vertices, vertex_normals(mesh.vertices, mesh.faces), mesh.faces
    if skin is not None:
        vertices, normals, faces = vertices[skin.origin], normals[skin.origin], skin.faces
    shape = UsdGeom.Mesh.Define(stage, "/object/mesh")
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateOrientationAttr(UsdGeom.Tokens.rightHanded)
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(floats(vertices)))
    shape.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(floats(mesh.bounds)))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, dtype=np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.flatten().numpy().astype(np.int32)))
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(floats(normals)))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    if skin is None:
        shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(Vt.Vec3fArray.FromNumpy(floats(mesh.colours)))
    else:
        coordinates = UsdGeom.PrimvarsAPI(shape).CreatePrimvar(
            "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
        )
        coordinates.Set(Vt.Vec2fArray.FromNumpy(floats(skin.uv)))
        _bind_texture(stage, shape, picture)
    if not stage.GetRootLayer().Export(str(path)):
        raise OSError(f"{path} could not be written")


def _bind_texture(stage: Any, shape: Any, picture: str) -> None:
    from pxr import Sdf, UsdShade

    types = Sdf.ValueTypeNames
    material = UsdShade.Material.Define(stage, "/object/material")
    surface = UsdShade.Shader.Define(stage, "/object/material/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", types.Float).Set(1.0)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    coordinates = UsdShade.Shader.Define(stage, "/object/material/coordinates")
    coordinates.CreateIdAttr("UsdPrimvarReader_float2")
    coordinates.CreateInput("varname", types.String).Set("st")
    texture = UsdShade.Shader.Define(stage, "/object/material/texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", types.Asset).Set(f"./{picture}")
    texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
    texture.CreateInput("st", types.Float2).ConnectToSource(coordinates.CreateOutput("result", types.Float2))
    colour = surface.CreateInput("diffuseColor", types.Color3f)
    colour.ConnectToSource(texture.CreateOutput("rgb", types.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
