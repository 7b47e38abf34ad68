"""A CLIP tokenizer whose byte-pair vocabulary knows the words of the miniature world.

Each of these words is one token; any other text still comes apart into smaller pieces, in the end its bytes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from teachers.miniature.scene import COLOURS

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

SOLIDS = ("cube", "sphere", "cylinder", "cone", "torus", "capsule", "pyramid", "box", "ellipsoid", "octahedron")
PARTS = ("nose", "hat", "ring", "leg", "legs", "head", "base", "top", "stripe", "stripes", "handle")
RELATIONS = ("a", "an", "the", "on", "of", "with", "and", "in", "under", "above", "beside", "next", "to", "inside")
QUALITIES = ("small", "big", "tall", "flat", "round", "thin", "thick", "two", "three", "four", "striped")
CAPTIONS = ("photo", "picture", "render", "asset", "object", "view", "front", "back", "side", "depicts", "d")
STYLES = ("studio", "lighting", "highly", "detailed", "octane", "minimalist", "low", "poly", "matte")
STYLES += ("plastic", "isometric", "clean", "background", "soft", "shadows", "toy", "photography", "clay", "product")
STYLES += ("shot", "from", "as")
WORDS = tuple(COLOURS) + SOLIDS + PARTS + RELATIONS + QUALITIES + CAPTIONS + STYLES

LENGTH = 32
"""Tokens of a prompt, with start and end."""

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"


def build_tokenizer(pad_token: str) -> "CLIPTokenizer":
    """The tokenizer of the miniature models.

    Args:
        pad_token: `!` as in Stable Diffusion 2, or the end token as in Stable Diffusion 1.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    alphabet = sorted(ByteLevel.alphabet())
    merges = merges_for(WORDS)
    pieces = [*alphabet, *(letter + _WORD_END for letter in alphabet), *(left + right for left, right in merges)]
    # `!` comes first, as in CLIP's own vocabulary, so that padding with it is padding with 0.
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(["!", *pieces, _START, _END]))}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]  # pairs are what it takes
        pad_token=pad_token,
        model_max_length=LENGTH,
    )


def merges_for(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merges, in order of precedence, under which each word becomes a single token.

    A word's missing merges go to the end of the list: merges of earlier words come first as before, so none of them
    falls apart again.
    """
    merges: dict[tuple[str, str], int] = {}
    for word in words:
        pieces = [*word[:-1], word[-1] + _WORD_END]
        while len(pieces) > 1:
            pairs = list(pairwise(pieces))
            known = [pair for pair in pairs if pair in merges]
            pair = min(known, key=merges.__getitem__) if known else pairs[0]
            merges.setdefault(pair, len(merges))
            pieces = _merge(pieces, pair)
    return list(merges)


def _merge(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
