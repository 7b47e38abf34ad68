"""A seeded corpus of short prompts with planted duplicates, near-duplicates and hard negatives, and the truth of it.

Each prompt is made anew from its number whenever it is needed, so that memory hardly grows with the rows. What the
deduplicator knows of style and subject it has to learn from the result, as it would from real prompts.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.dedup.changes import Change, near_changes
from benchmarks.dedup.composing import Composer
from benchmarks.dedup.negatives import hard_negatives
from benchmarks.dedup.words import digest, subject_key, words_of
from benchmarks.dedup.wrapping import other_case, other_punctuation, other_spaces, wrapped
from infra.progress import track

NEAR, EXACT, HARD = 0.15, 0.15, 0.04
"""Shares of the rows; the rest are prompts of their own."""

WRAPPED = 0.4
"""Of the rows."""

_BATCH = 50_000

TRUTH = pa.schema(
    [
        ("row", pa.int64()),
        ("cluster", pa.int64()),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("origin_row", pa.int64()),
    ]
)


class Row(NamedTuple):
    """One row and what is true of it; rows are counted from 1."""

    text: str
    """As it is in the corpus."""
    bare: str
    """Without what platforms put around it."""
    cluster: int
    """Rows of one cluster are one prompt."""
    kind: str
    """`base`, or `near`, `exact` or `hard` and, after a stroke, how it was made."""
    origin_row: int
    """What it was made from; of a `base` itself."""


class Corpus:
    """The corpus of a seed. Iterating gives its rows in order.

    Args:
        rows: how many, at least 100.
        seed: another gives another corpus.
        texts: real prompts to use beside the composed ones.
    """

    def __init__(self, rows: int, seed: int, texts: Sequence[str] = ()) -> None:
        composer = Composer(seed, texts)
        self.rows, self._seed, self._prompt = rows, seed, composer.prompt
        self._near = near_changes(composer.tag, composer.known_tags, composer.known_words)
        self._hard = hard_negatives(composer.prompt)
        self._exact: dict[str, Change] = {
            "case": other_case,
            "spaces": other_spaces,
            "punctuation": other_punctuation,
            "wrapper": lambda text, choose: text,
        }
        near, exact, hard = int(rows * NEAR), int(rows * EXACT), int(rows * HARD)
        self._bases, keys = self._distinct(rows - near - exact - hard)
        self._hards = list(self._hard_negatives(hard, keys))
        self._clusters = len(self._bases) + hard
        self._first_exact = self._clusters + near
        # Row → its number in the order of making, and back.
        self._made = np.random.default_rng(seed).permutation(rows)
        self._row = np.empty(rows, np.int64)
        self._row[self._made] = np.arange(1, rows + 1)

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, self._made.tolist())

    def _distinct(self, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of so many prompts of different subjects, and the sorted keys of these."""
        keys, firsts = np.empty(0, np.uint64), np.empty(0, np.int64)
        while len(firsts) < wanted:
            numbers = range(len(keys), len(keys) + wanted - len(firsts) + 1000)
            keys = np.append(keys, np.fromiter((subject_key(self._prompt(n)) for n in numbers), np.uint64))
            _, firsts = np.unique(keys, return_index=True)
        bases = np.sort(firsts)[:wanted]
        return bases, np.sort(keys[bases])

    def _hard_negatives(self, wanted: int, keys: np.ndarray) -> Iterator[tuple[int, str, int]]:
        """Base, kind and seed of hard negatives that are no other prompt of the corpus."""
        taken: set[int] = set()
        kinds = list(self._hard)
        for number in range(wanted):
            kind = kinds[number % len(kinds)]
            for attempt in count():
                seed = self._seed_of("hard", number, attempt)
                base = random.Random(seed).randrange(len(self._bases))
                text = self._hard_negative(base, kind, seed)
                if text is None:
                    continue
                # Exchanged, the words stay the same: their order counts.
                key = digest(" ".join(words_of(text))) if kind == "exchanged" else subject_key(text)
                place = int(np.searchsorted(keys, np.uint64(key)))
                if key not in taken and (place == len(keys) or int(keys[place]) != key):
                    taken.add(key)
                    yield base, kind, seed
                    break

    def _hard_negative(self, base: int, kind: str, seed: int) -> str | None:
        choose = random.Random(seed)
        choose.random()
        return self._hard[kind](self._prompt(int(self._bases[base])), choose)

    def _text(self, cluster: int) -> str:
        if cluster < len(self._bases):
            return self._prompt(int(self._bases[cluster]))
        text = self._hard_negative(*self._hards[cluster - len(self._bases)])
        assert text is not None, "it was found when the corpus was laid out"
        return text

    def _make(self, number: int) -> Row:
        """The row that was made as the so-manieth: prompts, hard negatives, near-duplicates, exact ones."""
        if number < self._clusters:
            bare = self._text(number)
            if number < len(self._bases):
                return Row(self._shown(bare, number), bare, number, "base", int(self._row[number]))
            base, kind, _ = self._hards[number - len(self._bases)]
            return Row(self._shown(bare, number), bare, number, f"hard/{kind}", int(self._row[base]))
        if number < self._first_exact:
            cluster, kind, bare = self._changed(self._near, number, number - self._clusters)
            return Row(self._shown(bare, number), bare, cluster, f"near/{kind}", int(self._row[cluster]))
        return self._again(number)

    def _again(self, number: int) -> Row:
        """An exact duplicate; every third is the same to the byte."""
        nth = number - self._first_exact
        if nth % 3 == 0:
            cluster = random.Random(self._seed_of("same", number)).randrange(self._clusters)
            bare = self._text(cluster)
            text = self._shown(bare, cluster)
            return Row(text, bare, cluster, "exact/bytes", int(self._row[cluster]))
        cluster, kind, bare = self._changed(self._exact, number, nth)
        text = self._shown(bare, number, always=kind == "wrapper")
        return Row(text, bare, cluster, f"exact/{kind}", int(self._row[cluster]))

    def _changed(self, changes: dict[str, Change], number: int, nth: int) -> tuple[int, str, str]:
        """Cluster, kind and text of a prompt that allows the kind whose turn it is."""
        choose = random.Random(self._seed_of("changed", number))
        kind = list(changes)[nth % len(changes)]
        while True:
            cluster = choose.randrange(self._clusters)
            text = self._text(cluster)
            found = changes[kind](text, choose)
            if found is not None and (found != text or kind == "wrapper"):
                return cluster, kind, found

    def _shown(self, bare: str, number: int, always: bool = False) -> str:
        choose = random.Random(self._seed_of("shown", number))
        return wrapped(bare, choose) if always or choose.random() < WRAPPED else bare

    def _seed_of(self, purpose: str, *numbers: int) -> int:
        return digest(f"{self._seed} {purpose} {numbers}")


def write(corpus: Corpus, prompts: Path, truth: Path) -> None:
    """Write the rows, batch after batch.

    Args:
        corpus: what to write.
        prompts: Parquet with a column `text`.
        truth: Parquet of `row` (from 1), `cluster`, `kind` and `origin_row`.
    """
    text_schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(prompts, text_schema) as texts, pq.ParquetWriter(truth, TRUTH) as truths:
        rows = iter(track(corpus, "planting prompts", corpus.rows))
        for begin in range(0, corpus.rows, _BATCH):
            batch = [next(rows) for _ in range(min(_BATCH, corpus.rows - begin))]
            numbers = pa.array(range(begin + 1, begin + 1 + len(batch)), pa.int64())
            kinds = pa.array([row.kind for row in batch]).dictionary_encode().cast(TRUTH.field("kind").type)
            clusters = pa.array([row.cluster for row in batch], pa.int64())
            origins = pa.array([row.origin_row for row in batch], pa.int64())
            texts.write_table(pa.table([pa.array([row.text for row in batch])], text_schema))
            truths.write_table(pa.table([numbers, clusters, kinds, origins], TRUTH))
