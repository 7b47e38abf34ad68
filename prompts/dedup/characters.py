"""Code points in UTF-8, and what each is to a tokeniser."""

from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.kernels import kernel
from prompts.normalise import PICTOGRAPHS

SPACE, WORD, BORDER, INNER, AND = 0, 1, 2, 3, 4
_CODE_POINTS = 0x20000
"""Below which a character's class is looked up; all above are letters of rare scripts."""


@lru_cache(maxsize=1)
def characters() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Class of each code point, and its lower case where that is one character."""
    points = [point for point in range(128, _CODE_POINTS) if not 0xD800 <= point < 0xE000]
    letters = pl.Series([chr(point) for point in points])
    classes = np.full(_CODE_POINTS, BORDER, np.uint8)
    classes[points] = np.where(letters.str.contains(rf"[\p{{L}}\p{{M}}\p{{N}}{PICTOGRAPHS}]"), WORD, SPACE)
    lower = np.arange(_CODE_POINTS, dtype=np.int32)
    small = [chr(point).lower() for point in points]
    lower[points] = [ord(one) if len(one) == 1 else point for point, one in zip(points, small, strict=True)]
    for code in range(128):
        if chr(code).isalnum():
            classes[code] = WORD
            lower[code] = ord(chr(code).lower())
    for character, kind in (
        *((one, SPACE) for one in " \t\r-_/\\*~^#$%=<>@`"),
        *((one, BORDER) for one in "、。，；：！？…｜"),
        *((one, INNER) for one in "'’"),
        *((one, AND) for one in "&+"),
    ):
        classes[ord(character)] = kind
    return classes, lower


@kernel()
def character(data, position):
    """Code point at `position`, and the position after it."""
    first = np.int32(data[position])
    if first < 0x80:
        return first, position + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[position + 1] & 0x3F), position + 2
    if first < 0xF0:
        code = (first & 0x0F) << 12 | (np.int32(data[position + 1]) & 0x3F) << 6 | (data[position + 2] & 0x3F)
        return code, position + 3
    code = (first & 0x07) << 18 | (np.int32(data[position + 1]) & 0x3F) << 12
    code |= (np.int32(data[position + 2]) & 0x3F) << 6 | (data[position + 3] & 0x3F)
    return code, position + 4


@kernel()
def encode(code, out, used):
    """Write a code point as UTF-8; returns where the next goes."""
    if code < 0x80:
        out[used] = code
        return used + 1
    if code < 0x800:
        out[used], out[used + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return used + 2
    if code < 0x10000:
        out[used], out[used + 1], out[used + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return used + 3
    out[used], out[used + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    out[used + 2], out[used + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return used + 4


@kernel()
def class_of(classes, code):
    return classes[code] if code < len(classes) else np.uint8(WORD)
