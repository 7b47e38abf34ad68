"""Other tools on the same prompts. As a program it reads prompts and writes which row stands for each.

It runs in the environment of the peers, without this project: only they and polars are imported.
"""

import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

THRESHOLD = 0.7

_NOT_LETTERS = re.compile(r"\W")


def rensa(words: bool, bands: int) -> Callable[[list[str]], list[int]]:
    """rensa's deduplicator, 128 permutations; what its bands find is checked on the sketch."""

    def run(texts: list[str]) -> list[int]:
        from rensa import RMinHash, RMinHashDeduplicator  # type: ignore[import-not-found]

        found = RMinHashDeduplicator(THRESHOLD, 128, True, bands)
        kept = []
        for row, text in enumerate(texts):
            sketch = RMinHash(128, 42)
            sketch.update(text.split() if words else _shingles(text))
            same = None if found.add(str(row), sketch) else found.get_duplicates(sketch)
            kept.append(min(map(int, same)) if same else row)
        return kept

    return run


def gaoya(analyzer: str, length: int, bands: int, size: int) -> Callable[[list[str]], list[int]]:
    """gaoya's index; what its bands find is checked on the sketch."""

    def run(texts: list[str]) -> list[int]:
        from gaoya.minhash import MinHashStringIndex  # type: ignore[import-not-found]

        index = MinHashStringIndex(
            hash_size=32, jaccard_threshold=THRESHOLD, num_bands=bands, band_size=size, analyzer=analyzer,
            ngram_range=(length, length),
        )  # fmt: skip
        return _one_by_one(texts, index.query, index.insert_document)

    return run


def datasketch(words: bool) -> Callable[[list[str]], list[int]]:
    """datasketch's MinHash and MinHashLSH, 128 permutations, bands of its choice; it checks nothing."""

    def run(texts: list[str]) -> list[int]:
        from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]

        index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
        pieces = ([piece.encode() for piece in (text.split() if words else _shingles(text))] for text in texts)
        sketches: Iterator[Any] = MinHash.generator(pieces, num_perm=128)
        return _one_by_one(sketches, index.query, index.insert)

    return run


def text_dedup(length: int, least: int) -> Callable[[list[str]], list[int | None]]:
    """text-dedup's MinHash program over word n-grams of a length; texts of fewer words than `least` it leaves out."""

    def run(texts: list[str]) -> list[int | None]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pl.DataFrame({"text": texts}).write_parquet(folder / "in.parquet")
            command = [sys.executable, "-m", "text_dedup.minhash", "--path", "parquet", "--split", "train", "--debug"]
            command += ["--data_files", str(folder / "in.parquet"), "--cache_dir", str(folder / "cache")]
            command += ["--output", str(folder / "out"), "--column", "text", "--threshold", str(THRESHOLD)]
            command += ["--ngram", str(length), "--min_length", str(least), "--num_proc", str(os.cpu_count() or 1)]
            command += ["--batch_size", "10000"]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
            with (folder / "out" / "uf.pkl").open("rb") as stream:
                parents = pickle.load(stream).parent
        long_enough = [len(_NOT_LETTERS.split(text.lower())) >= least for text in texts]
        return [_root(parents, row) if used else None for row, used in enumerate(long_enough)]

    return run


def _root(parents: dict[int, int], row: int) -> int:
    while parents.get(row, row) != row:
        row = parents[row]
    return row


def _shingles(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(len(text) - 3)] or [text]


def _one_by_one(items: Any, query: Callable[[Any], Any], insert: Callable[[int, Any], Any]) -> list[int]:
    """Each is one with the first that the index finds, or is kept and found by later ones."""
    kept = []
    for row, item in enumerate(items):
        same = query(item)
        kept.append(int(min(same)) if same else row)
        if not same:
            insert(row, item)
    return kept


class Peer(NamedTuple):
    """A tool with its settings."""

    package: str
    """What has to be installed."""
    run: Callable[[list[str]], Sequence[int | None]]
    """Prompts → for each the row that stands for it, from 0, or None where the tool drops it as no duplicate."""


PEERS = {
    "rensa, words, 16 bands": Peer("rensa", rensa(words=True, bands=16)),
    "rensa, words, 32 bands": Peer("rensa", rensa(words=True, bands=32)),
    "rensa, 4 characters, 16 bands": Peer("rensa", rensa(words=False, bands=16)),
    "gaoya, 4 characters, 16×8": Peer("gaoya", gaoya("char", 4, 16, 8)),
    "gaoya, 4 characters, 32×4": Peer("gaoya", gaoya("char", 4, 32, 4)),
    "gaoya, words, 16×8": Peer("gaoya", gaoya("word", 1, 16, 8)),
    "datasketch, words": Peer("datasketch", datasketch(words=True)),
    "datasketch, 4 characters": Peer("datasketch", datasketch(words=False)),
    "text-dedup, its defaults (5 words)": Peer("text_dedup", text_dedup(length=5, least=5)),
    "text-dedup, words": Peer("text_dedup", text_dedup(length=1, least=1)),
}


def main() -> None:
    """`peers.py NAME IN OUT`: IN has a column `text`; OUT gets `kept`, from 0."""
    name, source, target = sys.argv[1:]
    kept = PEERS[name].run(pl.read_parquet(source)["text"].to_list())
    pl.DataFrame({"kept": kept}, schema={"kept": pl.Int64}).write_parquet(Path(target))


if __name__ == "__main__":
    main()
