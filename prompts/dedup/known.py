"""Which words people use: the whole words of CLIP's vocabulary, the most frequent ones of captions on the web."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prompts.clip_vocabulary import clip_merges
from prompts.dedup.tokens import Tokens

_SHORTEST = 3


def known_words(tokens: Tokens) -> NDArray[np.bool_]:
    """[W] whether each word is a usual one."""
    usual = _usual()
    blob, bounds = tokens.spellings.tobytes(), tokens.starts.tolist()
    return np.fromiter(
        (blob[bounds[word] : bounds[word + 1]] in usual for word in range(len(bounds) - 1)),
        np.bool_,
        len(bounds) - 1,
    )


@lru_cache(maxsize=1)
def _usual() -> frozenset[bytes]:
    whole = (first + second.removesuffix("</w>") for first, second in clip_merges() if second.endswith("</w>"))
    return frozenset(word.encode() for word in whole if len(word) >= _SHORTEST and word.isascii() and word.isalpha())
