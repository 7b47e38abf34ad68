"""Other tools on the same prompts. Run as a program: reads normalised prompts, writes which row each is one with."""

import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

THRESHOLD = 0.7


def rensa_words(texts: list[str]) -> list[int]:
    """rensa's deduplicator: 128 permutations of word sets, 16 bands, checked on the sketch."""
    from rensa import RMinHashDeduplicator  # type: ignore[import-not-found]

    found = RMinHashDeduplicator(THRESHOLD, 128, True, 16)
    kept = []
    for row, text in enumerate(texts):
        words = text.split()
        if found.add(str(row), _sketch(words)):
            kept.append(row)
        else:
            kept.append(int(next(iter(found.get_duplicates(_sketch(words))))))
    return kept


def _sketch(words: list[str]):
    from rensa import RMinHash  # type: ignore[import-not-found]

    sketch = RMinHash(128, 42)
    sketch.update(words)
    return sketch


def gaoya_characters(texts: list[str]) -> list[int]:
    """gaoya's index of four-letter shingles, 16 bands of 8."""
    from gaoya.minhash import MinHashStringIndex  # type: ignore[import-not-found]

    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=THRESHOLD, num_bands=16, band_size=8, analyzer="char", ngram_range=(4, 4)
    )
    kept = []
    for row, text in enumerate(texts):
        same = index.query(text)
        kept.append(int(min(same)) if same else row)
        if not same:
            index.insert_document(row, text)
    return kept


def datasketch_words(texts: list[str]) -> list[int]:
    """datasketch's MinHashLSH over words, 126 permutations, bands chosen by itself."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]

    index = MinHashLSH(threshold=THRESHOLD, num_perm=126)
    kept = []
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=126)
        sketch.update_batch([word.encode() for word in text.split()])
        same = index.query(sketch)
        kept.append(int(same[0]) if same else row)
        if not same:
            index.insert(row, sketch)
    return kept


PEERS: dict[str, tuple[str, Callable[[list[str]], list[int]]]] = {
    "rensa, words": ("rensa", rensa_words),
    "gaoya, characters": ("gaoya", gaoya_characters),
    "datasketch, words": ("datasketch", datasketch_words),
}
"""Name → package and how it is run."""


def main() -> None:
    """`peers.py NAME IN OUT`: IN has a column `text`; OUT gets `kept`, the row that stands for each, from 0."""
    name, source, target = sys.argv[1:]
    texts = pl.read_parquet(source)["text"].to_list()
    pl.DataFrame({"kept": PEERS[name][1](texts)}, schema={"kept": pl.Int64}).write_parquet(Path(target))


if __name__ == "__main__":
    main()
