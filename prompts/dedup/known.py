"""Which words people use: the whole words of CLIP's vocabulary, the most frequent ones of captions on the web."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    import gzip
    from importlib.util import find_spec

    # Without importing the package, which takes seconds.
    package = find_spec("open_clip")
    assert package is not None and package.origin is not None
    packed = Path(package.origin).with_name("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    ends = (merge.split() for merge in merges)
    whole = ("".join(pair).removesuffix("</w>") for pair in ends if len(pair) == 2 and pair[1].endswith("</w>"))
    return frozenset(word.encode() for word in whole if len(word) >= _SHORTEST and word.isascii() and word.isalpha())
