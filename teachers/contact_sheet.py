"""What teachers would draw of some prompts, side by side in one picture.

Legend: B prompts, V views, R picture size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.artifacts import write_whole
from infra.errors import InputError
from infra.progress import track
from teachers.config import TeacherConfig
from teachers.sampling import sample_teacher

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE = 160  # pixels
_LINE = 18  # of text
_GAP = 8
_INK, _PAPER = (32, 32, 32), (255, 255, 255)


def write_contact_sheet(
    teachers: Mapping[str, TeacherConfig],
    prompts: Sequence[str],
    path: Path,
    seed: int,
    device: torch.device,
    steps: int = 30,
    guidance_scale: float | None = None,
) -> None:
    """Sample every teacher and write one picture: a row for each prompt and teacher, its views from the front on.

    Args:
        teachers: name → section of a recipe.
        prompts: what to draw.
        path: of a PNG.
        seed: of the noise.
        device: where their networks go, one teacher at a time.
        steps: of the sampler.
        guidance_scale: default that of `sample_teacher`.

    Raises:
        MissingError: weights are not here.
        InputError: the picture cannot be written.
    """
    options = {} if guidance_scale is None else {"guidance_scale": guidance_scale}
    drawn = {
        name: sample_teacher(name, config, prompts, seed, device, steps, **options)
        for name, config in track(teachers.items(), "sampling", len(teachers))
    }
    sheet = contact_sheet(prompts, drawn)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: sheet.save(temporary, "PNG"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None


def contact_sheet(prompts: Sequence[str], drawn: Mapping[str, Tensor]) -> "Image":  # [B, V, R, R, 3] uint8 each
    """Pictures under the prompts that they show, each row with the teacher's name."""
    from PIL import Image, ImageDraw

    columns = max(views.shape[1] for views in drawn.values())
    row = _TILE + _LINE + _GAP
    width, height = _GAP + columns * (_TILE + _GAP), _GAP + len(prompts) * (_LINE + len(drawn) * row)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen, top = ImageDraw.Draw(sheet), _GAP
    for number, prompt in enumerate(prompts):
        _write(pen, top, prompt, width)
        top += _LINE
        for name, views in drawn.items():
            _write(pen, top, name, width)
            for place, view in enumerate(views[number]):
                tile = Image.fromarray(view.numpy()).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
                sheet.paste(tile, (_GAP + place * (_TILE + _GAP), top + _LINE))
            top += row
    return sheet


def _write(pen: "object", top: int, text: str, width: int) -> None:
    """A line of text, cut to the sheet. The built-in font has Latin letters only."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    while plain and pen.textlength(plain) > width - 2 * _GAP:  # type: ignore[attr-defined]
        plain = plain[:-1]
    pen.text((_GAP, top + 2), plain, fill=_INK)  # type: ignore[attr-defined]
