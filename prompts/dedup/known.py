"""Which words people use: the whole words of CLIP's vocabulary, the most frequent ones of captions on the web."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prompts.clip_vocabulary import clip_merges
from prompts.dedup.tokens import Tokens

SEEN, USUAL = 1, 2
"""Levels of `known_words`; the vocabulary is so large that the rarer of its words may be slips themselves."""
_USUAL_MERGES = 18_000
"""Of 48,894, the most frequent first."""
_SHORTEST = 3


def known_words(tokens: Tokens) -> NDArray[np.uint8]:
    """[W] whether people use each word: `SEEN`, `USUAL` or 0."""
    levels = _levels()
    blob, bounds = tokens.spellings.tobytes(), tokens.starts.tolist()
    return np.fromiter(
        (levels.get(blob[bounds[word] : bounds[word + 1]], 0) for word in range(len(bounds) - 1)),
        np.uint8,
        len(bounds) - 1,
    )


@lru_cache(maxsize=1)
def _levels() -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for place, (first, second) in enumerate(clip_merges()):
        word = first + second.removesuffix("</w>")
        if second.endswith("</w>") and len(word) >= _SHORTEST and word.isascii() and word.isalpha():
            found.setdefault(word.encode(), USUAL if place < _USUAL_MERGES else SEEN)
    return found
