"""One pass over the bytes of a column: which rules can match a text at all. It may say too much, never too little.

Most rows of most collections hold nothing that a rule looks for, and a regular expression that finds nothing costs as
much as one that does.
"""

from enum import IntFlag, auto

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.strings import strings_of


class Trait(IntFlag):
    """What a text holds. What is foreign has all traits that other scripts' digits, spaces and signs could cause."""

    FOREIGN = auto()  # more than ASCII, Latin-1 letters, typographic quotes and dashes
    CONTROL = auto()  # control characters, except tab and line ends; once they are off, a mark of the grammar
    AMPERSAND = auto()
    BOLD = auto()  # **
    AT = auto()
    HASH = auto()
    ANGLE = auto()  # <
    SQUARE = auto()  # [
    CURLY = auto()  # {
    PAREN = auto()  # (
    BACKSLASH = auto()
    BANG = auto()
    SLASH = auto()
    COLON = auto()
    PAIRED_COLONS = auto()  # also with a space between
    SCHEME = auto()  # both a colon and a slash
    DOMAIN = auto()  # a letter, digit or hyphen, a full stop and a letter
    WWW = auto()  # w and a full stop
    LONG_NUMBER = auto()  # sixteen digits
    LEADING_DASH = auto()  # at the start or after a space
    DASHES = auto()  # --
    WIDE_DASH = auto()  # what telephones make of --
    BREAK = auto()
    LAST_DIGIT = auto()  # at the end
    EMPTY = auto()  # brackets around nothing
    SPACES = auto()  # two together, or another than the common one
    SPACED_MARK = auto()  # a punctuation mark after a space
    MARKS = auto()  # a comma or semicolon after another
    EDGES = auto()  # signs at the start or end that belong to no word
    QUOTED = auto()  # quotation marks at both ends
    NUMBERS = auto()  # seven digits close to each other or after a plus, three before full stops, or seven colons


_SINGLE = {"&": Trait.AMPERSAND, "@": Trait.AT, "#": Trait.HASH, "<": Trait.ANGLE, "[": Trait.SQUARE}
_SINGLE |= {"{": Trait.CURLY, "(": Trait.PAREN, "\\": Trait.BACKSLASH, "!": Trait.BANG, "/": Trait.SLASH}
_SINGLE |= {":": Trait.COLON}

_OF_FOREIGN = Trait.FOREIGN | Trait.CONTROL | Trait.WWW | Trait.LONG_NUMBER | Trait.LEADING_DASH | Trait.WIDE_DASH
_OF_FOREIGN |= Trait.LAST_DIGIT | Trait.PAIRED_COLONS
_OF_FOREIGN |= Trait.EMPTY | Trait.SPACES | Trait.SPACED_MARK | Trait.MARKS | Trait.EDGES | Trait.QUOTED | Trait.NUMBERS

# Plain integers: the compiler takes them as constants.
_BOLD, _SLASH, _COLON, _BREAK = int(Trait.BOLD), int(Trait.SLASH), int(Trait.COLON), int(Trait.BREAK)
_PAIRED_COLONS, _SCHEME, _DOMAIN = int(Trait.PAIRED_COLONS), int(Trait.SCHEME), int(Trait.DOMAIN)
_WWW, _LONG_NUMBER, _LAST_DIGIT = int(Trait.WWW), int(Trait.LONG_NUMBER), int(Trait.LAST_DIGIT)
_LEADING_DASH, _DASHES, _WIDE_DASH = int(Trait.LEADING_DASH), int(Trait.DASHES), int(Trait.WIDE_DASH)
_EMPTY, _SPACES, _SPACED_MARK = int(Trait.EMPTY), int(Trait.SPACES), int(Trait.SPACED_MARK)
_MARKS, _EDGES, _QUOTED, _FOREIGN_ALL = int(Trait.MARKS), int(Trait.EDGES), int(Trait.QUOTED), int(_OF_FOREIGN)
_NUMBERS = int(Trait.NUMBERS)
_BYTES_OF_BREAK = tuple(b"BREAK")


_LOOK = 1 << 31
"""Of a byte: its neighbours have to be looked at."""


def _byte_classes() -> np.ndarray:
    """Per byte, the traits that it brings by itself, and `_LOOK`."""
    classes = np.zeros(256, np.uint32)
    for sign, trait in _SINGLE.items():
        classes[ord(sign)] = trait
    classes[[*range(9), 11, 12, *range(14, 32), 127]] = Trait.CONTROL
    classes[np.frombuffer(b" \t\n\v\f\r*-.:,;!?)]}B0123456789", np.uint8)] |= _LOOK
    classes[0x80:] = _LOOK
    return classes


_CLASSES = _byte_classes()
_EDGE = np.zeros(256, np.bool_)
_EDGE[np.frombuffer(b" \t\n\v\f\r,;:|*_~`-", np.uint8)] = True
_ALNUM = np.zeros(256, np.bool_)
_ALNUM[np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", np.uint8)] = True


def traits_of(texts: pl.Series) -> np.ndarray:
    """`Trait` bits of every row, uint32."""
    strings = strings_of(texts)
    return _scan(strings.data, strings.offsets, _CLASSES, _EDGE, _ALNUM)


@kernel()
def _scan(data, offsets, classes, edge, alnum):  # pragma: no cover - compiled
    rows = len(offsets) - 1
    found = np.zeros(rows, np.uint32)
    for row in range(rows):
        start, end = offsets[row], offsets[row + 1]
        if start == end:
            continue
        bits = np.uint32(0)
        digits = 0  # one after the other
        near = 0  # digits not far from each other
        last_digit = start
        dotted = colons = 0
        blank = True  # the byte before is white space, or there is none
        ink = np.uint8(0)  # the last byte that is no white space
        i = start
        while i < end:
            c = data[i]
            of_byte = classes[c]
            bits |= of_byte
            if of_byte < np.uint32(_LOOK):
                blank, ink, digits = False, c, 0
                i += 1
                continue
            if 48 <= c <= 57:
                digits += 1
                near = near + 1 if i - last_digit <= 3 else 1
                last_digit = i
                if near >= 7 and (near > digits or (digits < i - start and data[i - digits] == 43)):
                    bits |= np.uint32(_NUMBERS)
                if digits == 16:
                    bits |= np.uint32(_LONG_NUMBER)
                blank, ink = False, c
                i += 1
                continue
            digits = 0
            if c == 32 or 9 <= c <= 13:
                if c != 32 or (blank and i > start):
                    bits |= np.uint32(_SPACES)
                blank = True
                i += 1
                continue
            if c >= 0x80:
                if c == 0xC3:
                    i += 1
                elif c == 0xE2 and i + 2 < end and data[i + 1] == 0x80:
                    last = data[i + 2]
                    if last == 0x93 or last == 0x94:
                        bits |= np.uint32(_WIDE_DASH)
                        if blank:
                            bits |= np.uint32(_LEADING_DASH)
                    elif last != 0x98 and last != 0x99 and last != 0x9C and last != 0x9D:
                        bits |= np.uint32(_FOREIGN_ALL)
                    i += 2
                else:
                    bits |= np.uint32(_FOREIGN_ALL)
            elif c == 45:
                if blank:
                    bits |= np.uint32(_LEADING_DASH)
                if i + 1 < end and data[i + 1] == 45:
                    bits |= np.uint32(_DASHES)
            elif c == 42:
                if i + 1 < end and data[i + 1] == 42:
                    bits |= np.uint32(_BOLD)
            elif c == 58:
                colons += 1
                if ink == 58 and (data[i - 1] == 58 or (i - 2 >= start and data[i - 2] == 58)):
                    bits |= np.uint32(_PAIRED_COLONS)
            elif c == 66:
                if i + 4 < end:
                    same = True
                    for k in range(1, 5):
                        same &= data[i + k] == _BYTES_OF_BREAK[k]
                    if same:
                        bits |= np.uint32(_BREAK)
            elif c == 41 or c == 93 or c == 125:
                if (ink == 40 and c == 41) or (ink == 91 and c == 93) or (ink == 123 and c == 125):
                    bits |= np.uint32(_EMPTY)
            else:  # . , ; ! ?
                if blank and i > start:
                    bits |= np.uint32(_SPACED_MARK)
                if c == 46:
                    dotted += 48 <= ink <= 57
                    if ink | 32 == 119 and (blank or (i - 2 >= start and data[i - 2] | 32 == 119)):
                        bits |= np.uint32(_WWW)
                    if i > start and i + 1 < end and (alnum[data[i - 1]] or data[i - 1] == 45):
                        following = data[i + 1] | 32
                        if 97 <= following <= 122:
                            bits |= np.uint32(_DOMAIN)
                elif (c == 44 or c == 59) and (ink == 44 or ink == 59):
                    bits |= np.uint32(_MARKS)
            blank, ink = False, c
            i += 1
        if bits & np.uint32(_COLON) and bits & np.uint32(_SLASH):
            bits |= np.uint32(_SCHEME)
        if 48 <= ink <= 57:
            bits |= np.uint32(_LAST_DIGIT)
        if dotted >= 3 or colons >= 7:
            bits |= np.uint32(_NUMBERS)
        first, last = data[start], data[end - 1]
        if edge[first] or edge[last]:
            bits |= np.uint32(_EDGES)
        if first == 34 and last == 34 and end - start > 1:
            bits |= np.uint32(_QUOTED)
        found[row] = bits & np.uint32(~_LOOK & 0xFFFFFFFF)
    return found
