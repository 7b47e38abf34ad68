"""A mesh seen all around, as a picture or a film: unlit, before white.

Legend: V views, S picture size.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from infra.errors import InputError
from prd.mesh import Mesh
from prd.render.unlit import draw
from teachers.cameras import orbit

KINDS = ("png", "gif", "mp4")

_SIZE = 256  # even, as films want it
_SHEET_VIEWS, _FILM_VIEWS, _VIEWS_PER_SECOND = 8, 36, 12
_ELEVATION_DEG, _FOV_DEG = 15.0, 40.0
_MARGIN = 1.05
_VIEWS_AT_ONCE = 6


def write_turntable(mesh: Mesh, path: Path, device: torch.device | str = "cpu") -> None:
    """Write the views from 15 degrees above, the front first, turning towards +y.

    Args:
        mesh: usable.
        path: ends with `.png` (8 views in a row), `.gif` or `.mp4` (H.264; 36 views, one turn in three seconds).
        device: where to draw.

    Raises:
        InputError: another suffix.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise InputError(f"{path} is no turntable", f"end it with one of {', '.join(KINDS)}")
    views = turn(mesh, _SHEET_VIEWS if kind == "png" else _FILM_VIEWS, _SIZE, device)
    {"png": _write_sheet, "gif": _write_gif, "mp4": _write_film}[kind](views, path)


@torch.inference_mode()
def turn(mesh: Mesh, views: int, size: int, device: torch.device | str = "cpu") -> Tensor:  # [V, S, S, 3] uint8
    """Draw a mesh, centred and scaled, from `views` evenly spaced sides."""
    mesh = mesh.normalised(1.0)
    radius = mesh.vertices.norm(dim=-1).max().item()  # of the ball that it stays within as it turns
    distance = _MARGIN * radius / math.sin(math.radians(_FOV_DEG / 2))
    vertices, faces, colours = (part.to(device) for part in (mesh.vertices, mesh.faces, mesh.colours))
    cameras = orbit(torch.arange(views) * (360 / views), _ELEVATION_DEG, distance, _FOV_DEG)
    white = torch.ones(3, device=device)
    pictures = [
        draw(vertices, faces, colours, white, cameras[start : start + _VIEWS_AT_ONCE], size).cpu()
        for start in range(0, views, _VIEWS_AT_ONCE)
    ]
    return (torch.cat(pictures).clamp(0, 1) * 255).round().byte()


def _write_sheet(views: Tensor, path: Path) -> None:
    from PIL import Image

    Image.fromarray(views.transpose(0, 1).flatten(1, 2).numpy()).save(path)


def _write_gif(views: Tensor, path: Path) -> None:
    from PIL import Image

    first, *rest = (Image.fromarray(view.numpy()) for view in views)
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / _VIEWS_PER_SECOND), loop=0)


def _write_film(views: Tensor, path: Path) -> None:
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=_VIEWS_PER_SECOND, options={"crf": "18"})
        stream.height, stream.width = views.shape[1:3]
        stream.pix_fmt = "yuv420p"  # what every player reads
        for view in views:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(view.numpy(), format="rgb24")))
        film.mux(stream.encode())
