"""How unexpected a letter is after the two before it, in words of languages with Latin letters.

The table that ships was counted over some 130,000 distinct words: whole words of CLIP's vocabulary, and words, names,
places, jobs and colours of some sixty languages and regions from the data of the package Faker. Words count by the
square root of how often they occur, so that rare languages and names weigh something. To count it anew:

    python -m prompts.scores.trigrams WORDS.txt        # lines `word count`, in lower case, without diacritics
"""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

STEPS = 16
"""Units of the table in one bit."""

_TABLE = Path(__file__).parent / "data" / "trigrams.npy"
_PRIOR_PAIR = 20.0
_PRIOR_TRIPLE = 8.0


@cache
def load_costs() -> np.ndarray:
    """Cost of the third letter after two, in 1/16 bit: uint8 [27, 27, 27]; 0 is the edge of a word, 1 to 26 a to z."""
    return np.load(_TABLE)


def count_costs(words: Iterable[tuple[str, float]]) -> np.ndarray:
    """The table for words of a to z, each with how often it occurs. Rare triples fall back on pairs, these on letters.

    Raises:
        ValueError: a word has other characters.
    """
    triples = np.zeros((27, 27, 27))
    for word, count in words:
        if not (word.isascii() and word.islower() and word.isalpha()):
            raise ValueError(f"not a word of a to z: {word!r}")
        codes = [0, 0, *(ord(letter) - 96 for letter in word), 0]
        for triple in zip(codes, codes[1:], codes[2:], strict=False):
            triples[triple] += count**0.5
    pairs = triples.sum(0)
    letters = (pairs.sum(0) + 1) / (pairs.sum() + 27)
    pairs = (pairs + _PRIOR_PAIR * letters) / (pairs.sum(1, keepdims=True) + _PRIOR_PAIR)
    shares = (triples + _PRIOR_TRIPLE * pairs) / (triples.sum(2, keepdims=True) + _PRIOR_TRIPLE)
    return np.minimum(np.round(-np.log2(shares) * STEPS), 255).astype(np.uint8)


def main(path: str) -> None:
    """Count the words of a file and replace the table."""
    lines = (line.split() for line in Path(path).read_text(encoding="utf-8").splitlines())
    np.save(_TABLE, count_costs((word, float(count)) for word, count in lines))


if __name__ == "__main__":
    main(sys.argv[1])
