"""Meshes to files: GLB, OBJ, PLY and USD, with a texture or with vertex colours."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from infra.errors import InputError
from prd.mesh import Mesh, why_unusable
from prd.texture import ColourAt, Textured, textured

if TYPE_CHECKING:
    import trimesh

USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")
SUFFIXES = (".glb", ".obj", ".ply", *USD_SUFFIXES)


def write_mesh(
    mesh: Mesh,
    path: Path,
    texture_size: int | None = None,
    colour_at: ColourAt | None = None,
) -> list[str]:
    """Write a mesh in the format that the suffix names, whole or not at all.

    GLB is written with y up and the front at +z, as its standard wants; the others keep z up and the front at +x, and
    USD says so. With a texture, OBJ puts `.mtl` and `.png` of the same name beside itself, USD a `.png` unless it is
    `.usdz`, which packs it. PLY holds vertex colours only. A world unit is a metre.

    Args:
        mesh: usable.
        path: ends with one of `SUFFIXES`; its folder exists.
        texture_size: side of a square texture, unwrapped and baked; None for vertex colours.
        colour_at: for a texture finer than the vertices; by default their colours are interpolated.

    Returns:
        Names of what it wrote beside the mesh.

    Raises:
        InputError: another suffix, or a mesh that is empty or not finite.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is of no known mesh format", f"end it with one of {', '.join(SUFFIXES)}")
    if mesh.is_empty:
        raise InputError(f"there is no surface to write to {path}")
    if problem := why_unusable(mesh):
        raise InputError(f"{path} cannot be written: {problem}")
    skin = textured(mesh, texture_size, colour_at) if texture_size and suffix != ".ply" else None
    with TemporaryDirectory(dir=path.parent, prefix=".mesh-") as scratch:
        made = Path(scratch) / f"{path.stem}{suffix}"
        if suffix in USD_SUFFIXES:
            from prd.usd import write_usd

            write_usd(mesh, made, skin)
        else:
            _write_with_trimesh(mesh, made, suffix, skin)
        if not made.is_file():
            raise OSError(f"{path} was not written")
        beside = sorted(file.name for file in made.parent.iterdir() if file != made)
        for name in beside:
            (made.parent / name).replace(path.parent / name)
        made.replace(path)  # last: where it is, all it refers to is
    return beside


def _write_with_trimesh(mesh: Mesh, path: Path, suffix: str, skin: Textured | None) -> None:
    if skin is not None:
        written = _with_texture(mesh, skin, path.stem, suffix)
    elif suffix == ".glb":
        written = replace(mesh, colours=_linear(mesh.colours)).to_trimesh()
    else:
        written = mesh.to_trimesh()
    if suffix == ".glb":
        written.apply_transform([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    options: dict[str, Any] = {}
    if suffix == ".obj" and skin:
        options = {"mtl_name": f"{path.stem}.mtl"}
    if suffix == ".glb" and skin is None:
        options = {"tree_postprocessor": _make_matt}
    written.export(path, file_type=suffix[1:], **options)


def _linear(colours: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
    """sRGB values as linear light, which glTF wants of vertices (textures stay sRGB)."""
    colours = colours.clamp(0, 1)
    return torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _make_matt(tree: dict[str, Any]) -> None:
    """Without a material glTF means bare metal, which most viewers show dark."""
    tree["materials"] = [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0


def _with_texture(mesh: Mesh, skin: Textured, name: str, suffix: str) -> "trimesh.Trimesh":
    import trimesh
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial, SimpleMaterial

    if suffix == ".obj":  # its colours multiply the texture
        white, black = [255, 255, 255, 255], [0, 0, 0, 255]
        material: Any = SimpleMaterial(image=skin.picture, diffuse=white, ambient=white, specular=black)
        material.name = name
    else:
        material = PBRMaterial(name=name, baseColorTexture=skin.picture, metallicFactor=0.0, roughnessFactor=1.0)
    return trimesh.Trimesh(
        mesh.vertices[skin.origin].numpy(),
        skin.faces.numpy(),
        visual=TextureVisuals(uv=skin.uv.numpy(), material=material),
        process=False,
    )
