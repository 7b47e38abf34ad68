"""The merges of CLIP's byte-pair encoding, which open_clip ships."""

import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from infra.errors import MissingError

_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49152 - 256 - 2


@lru_cache(maxsize=1)
def clip_merges() -> list[tuple[str, str]]:
    """Pairs of tokens in the order in which they are merged; one that ends a word ends in `</w>`.

    Raises:
        MissingError: open_clip or its vocabulary is not installed.
    """
    spec = find_spec("open_clip")  # without importing it, and torch with it
    path = Path(spec.origin).with_name(_FILE) if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingError(f"CLIP's vocabulary {_FILE} is not installed", "pip install open-clip-torch")
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    return [(first, second) for first, second in (line.split() for line in lines)]
