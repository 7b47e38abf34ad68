"""The truth about meshes of the miniature world, whose objects are known exactly: nothing is judged, all is measured.

A mesh is taken as it was made, neither moved nor scaled.

Legend: N points or pixels, P parts of an object, K named colours, S shades, V views, R picture size.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.measured import MeshTruth, PartTruth
from evaluation.occupancy import grid, iou, occupancy
from evaluation.views import draw
from infra.errors import InputError
from prd.mesh import Mesh
from teachers.cameras import orbit
from teachers.miniature.album import Shape, scene_of, shape_of
from teachers.miniature.scene import COLOURS, SOLIDS, Scene, parse
from teachers.miniature.solids import distances, parts_of
from teachers.miniature.world import trace

_NEAR = 0.15
"""How far from a part's surface, in world units, a vertex may lie and still show its colour."""

_SHADES = (0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Brightness of a colour that still is that colour: the world's light darkens it, and a mesh learns it so."""

_SIDES = (0.0, 90.0, 180.0, 270.0)
_LOOK = {"elevation_deg": 15.0, "distance": 2.6, "fov_deg": 40.0}
_RESOLUTION = 96
MARK_SEEN = 0.5
"""Share of the mark's true area in the front view that must show. From the sides of a true cone a third of it does."""


def measure(prompt: str, mesh: Mesh | None) -> MeshTruth | None:
    """Compare a usable mesh with the object that its prompt describes.

    Args:
        prompt: any text.
        mesh: None when there is none or it is unusable, which is wrong in everything.

    Returns:
        None when the prompt is outside of the world's language.
    """
    try:
        scene = parse(prompt)
    except InputError:
        return None
    if mesh is None:
        return MeshTruth(
            iou=0.0,
            parts=tuple(_part(role, scene, None, None) for role in _roles(scene)),
            mark_seen_deg=() if scene.nose else None,
        )
    inside = occupancy(mesh)
    colours = _colours(scene, mesh)
    return MeshTruth(
        iou=round(iou(inside, _solid(shape_of(scene))), 4),
        parts=tuple(
            _part(role, scene, colour, None if role == "nose" else _best_solid(scene, role, inside))
            for role, colour in zip(_roles(scene), colours, strict=True)
        ),
        mark_seen_deg=_mark_seen(scene, mesh) if scene.nose else None,
    )


def _roles(scene: Scene) -> list[str]:
    """What the parts of `parts_of` are, in its order."""
    return ["body", *(["nose"] if scene.nose else []), *(["below"] if scene.below else [])]


def _part(role: str, scene: Scene, colour_found: str | None, solid_found: str | None) -> PartTruth:
    asked = {"body": (scene.colour, scene.solid), "nose": (scene.nose, None), "below": scene.below}[role]
    assert asked is not None
    return PartTruth.model_validate(
        {
            "part": role,
            "colour": asked[0],
            "colour_found": colour_found,
            "solid": asked[1],
            "solid_found": solid_found,
        }
    )


@cache  # a few dozen shapes of 0.1 MB
def _solid(shape: Shape) -> Tensor:  # [G, G, G] bool
    """The inside of a shape on the grid of `occupancy`."""
    return (distances(parts_of(scene_of(shape)), grid().flatten(0, 2)).amin(-1) < 0).view(grid().shape[:3])


def _best_solid(scene: Scene, role: str, inside: Tensor) -> str | None:
    """The solid that makes the scene fit the mesh best when it takes the place of one part's."""
    solid, nose, below = shape_of(scene)
    fits = {
        other: iou(inside, _solid((other, nose, below) if role == "body" else (solid, nose, other))) for other in SOLIDS
    }
    first, second = sorted(fits, key=lambda name: fits[name], reverse=True)[:2]
    return first if fits[first] > fits[second] else None


def _colours(scene: Scene, mesh: Mesh) -> list[str | None]:
    """For each part, the name of the median colour of the vertices that are nearest to it."""
    nearest, part = distances(parts_of(scene), mesh.vertices).min(-1)  # signed: a flat mark lies inside its nose
    found: list[str | None] = []
    for index in range(len(parts_of(scene))):
        colours = mesh.colours[(part == index) & (nearest.abs() < _NEAR)]
        if len(colours) == 0:
            found.append(None)
            continue
        difference = _differences(colours.median(dim=0).values[None])[0]
        found.append(list(COLOURS)[int(difference.argmin())])
    return found


def mark_areas(
    pictures: Tensor,  # [V, R, R, 3] uint8
    scene: Scene,
    cover: Tensor | None = None,  # [V, R, R] bool
) -> Tensor:  # [V]
    """Share of each picture where the mark on a scene's front shows: what looks more like it than like the body.

    The rim of every such area is left out, for silhouettes mix with the background into whatever colour.

    Args:
        pictures: on white.
        scene: one with a nose.
        cover: where the object is; default what looks more like the mark than like white.
    """
    assert scene.nose is not None
    colours = (pictures / 255).reshape(-1, 3)
    difference = _differences(colours)  # [N, K]
    names = list(COLOURS)
    mark, body = difference[:, names.index(scene.nose)], difference[:, names.index(scene.colour)]
    white = (_oklab(colours) - _oklab(torch.ones(1, 3))).norm(dim=-1)
    covered = mark < white if cover is None else cover.flatten()
    return _share(((mark < body) & covered).view(pictures.shape[:3]))


def _mark_seen(scene: Scene, mesh: Mesh) -> tuple[float, ...]:
    """The sides from which enough of the mark is seen."""
    cameras = orbit(torch.tensor(_SIDES), **_LOOK)
    attributes = torch.cat([mesh.colours.clamp(0, 1), torch.ones_like(mesh.colours[:, :1])], dim=-1)
    picture = draw(mesh.vertices, mesh.faces, attributes, torch.zeros(4), cameras, _RESOLUTION)  # [V, R, R, 4]
    colour, cover = picture.split([3, 1], dim=-1)
    pixels = (colour / cover.clamp(min=1e-6) * 255).round().byte()
    areas = mark_areas(pixels, scene, cover.squeeze(-1) > 0.5)
    enough = MARK_SEEN * _mark_area(scene.solid)
    return tuple(side for side, area in zip(_SIDES, areas.tolist(), strict=True) if area > enough)


@cache
def _mark_area(solid: str) -> float:
    """Share of the true front view that shows the nose of a solid, without its rim."""
    camera = orbit(torch.tensor(_SIDES[:1]), **_LOOK)
    origins, directions = (rays.reshape(-1, 3) for rays in camera.rays(_RESOLUTION, _RESOLUTION))
    hit, _, part = trace(parts_of(Scene("red", solid, nose="blue")), origins, directions)
    return _share((hit & (part == 1)).view(1, _RESOLUTION, _RESOLUTION)).item()


def _share(area: Tensor) -> Tensor:  # [V, R, R] bool -> [V]
    """Share of the pixels that lie in an area together with all their neighbours."""
    return 1 - F.max_pool2d((~area).float(), 3, stride=1, padding=1).mean((1, 2))


def _differences(colours: Tensor) -> Tensor:  # [N, 3] in [0, 1] -> [N, K]
    """How different colours look from the named ones: distance in Oklab to the nearest shade of each."""
    shades = torch.tensor([*COLOURS.values()])[:, None] * torch.tensor(_SHADES)[:, None]  # [K, S, 3]
    distance = torch.cdist(_oklab(colours), _oklab(shades.reshape(-1, 3)))
    return distance.unflatten(1, shades.shape[:2]).amin(-1)


def _oklab(rgb: Tensor) -> Tensor:  # [N, 3] sRGB in [0, 1] -> [N, 3]
    """Ottosson's perceptual colour space."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = linear @ _TO_CONES.to(rgb.dtype).T
    return cones.clamp(min=0) ** (1 / 3) @ _FROM_CONES.to(rgb.dtype).T


_TO_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_FROM_CONES = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
