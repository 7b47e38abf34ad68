"""Views of every shape of the world, looked at once and painted in any colours afterwards.

Legend: S shapes, M camera sets a shape, V = 4 views a set, P = 2 parts, R picture size, B sets of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from infra.progress import track
from infra.seeds import generator_for
from teachers.camera_config import CameraConfig
from teachers.cameras import Cameras, sample_training_cameras
from teachers.miniature.scene import SOLIDS, Scene
from teachers.miniature.solids import parts_of
from teachers.miniature.world import Layers, look, palette

VIEWS, RESOLUTION = 4, 64
CAMERAS = CameraConfig(elevation_deg=(0.0, 30.0), relative_distance=(0.9, 1.0))
"""Where the models' pictures are taken from; training must look from there too."""

Shape = tuple[str, bool, str | None]


def shape_of(scene: Scene) -> Shape:
    """All of a scene but its colours: solid, whether it has a nose, what it stands on."""
    return scene.solid, scene.nose is not None, scene.below[1] if scene.below else None


SHAPES: tuple[Shape, ...] = tuple(
    (solid, nose, below)
    for solid in SOLIDS
    for nose, below in ((False, None), (True, None), *((False, other) for other in SOLIDS))
)


@dataclass(frozen=True)
class Batch:
    """Sets of four views and where they were taken from."""

    layers: Layers  # of B * V views
    cameras: Cameras  # B * V

    def rgb(self, colours: Tensor) -> Tensor:  # [B, P, 3] -> [B * V, 3, R, R] in [0, 1]
        """The views in these colours, before white."""
        return self.layers.paint(colours.repeat_interleave(VIEWS, dim=0))


class Album:
    """Views of all shapes from `sets` random sets of four cameras each, in bytes."""

    def __init__(self, seed: int, sets: int) -> None:
        self.sets = sets
        self._index = {shape: number for number, shape in enumerate(SHAPES)}
        self._layers: list[Layers] = []
        cameras: list[Cameras] = []
        for number, shape in track(list(enumerate(SHAPES)), "looking at the miniature world"):
            around = sample_training_cameras(sets, VIEWS, generator_for(seed, "album", number), CAMERAS)
            layers = look(parts_of(scene_of(shape)), around, RESOLUTION)
            shading = F.pad(layers.shading, (0, 0, 0, 0, 0, 2 - layers.shading.shape[1]))
            maps = (shading, layers.normal, layers.disparity, layers.opacity)
            self._layers.append(Layers(*map(_to_bytes, maps)))
            cameras.append(around)
        self._cameras = cameras

    def take(self, scenes: Sequence[Scene], generator: torch.Generator) -> Batch:
        """A drawn set of views of each scene."""
        return self.take_shapes([self._index[shape_of(scene)] for scene in scenes], generator)

    def take_shapes(self, shapes: Sequence[int], generator: torch.Generator) -> Batch:
        """Likewise, by the shapes' numbers in `SHAPES`."""
        draws = torch.randint(self.sets, (len(shapes),), generator=generator).tolist()
        rows = [slice(draw * VIEWS, (draw + 1) * VIEWS) for draw in draws]
        layers = {
            name: torch.cat([getattr(self._layers[shape], name)[row] for shape, row in zip(shapes, rows, strict=True)])
            for name in Layers.__dataclass_fields__
        }
        cameras = [self._cameras[shape][row] for shape, row in zip(shapes, rows, strict=True)]
        return Batch(Layers(**{name: values.float() / 255 for name, values in layers.items()}), Cameras.join(cameras))


def colours_of(scenes: Sequence[Scene]) -> Tensor:  # [B, P, 3]
    """Colours of the parts; a single part leaves the second black, which nothing shows."""
    return torch.stack([F.pad(colours, (0, 0, 0, 2 - len(colours))) for colours in map(palette, scenes)])


def scene_of(shape: Shape) -> Scene:
    """A scene of that shape, in some colours."""
    solid, nose, below = shape
    return Scene("red", solid, "blue" if nose else None, ("blue", below) if below else None)


def _to_bytes(values: Tensor) -> Tensor:
    return (values.clamp(0, 1) * 255).round().byte()
