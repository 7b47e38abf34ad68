"""Which prompt stands for which row, and why some stand for none.

Only numbers are held here; texts are read where they are needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.config import CorpusConfig
from prompts.contamination import CONTAMINATED, contaminated
from prompts.dedup.clusters import cluster
from prompts.dedup.near import NearDuplicates, find_near_duplicates
from prompts.dedup.pairs import unique_pairs
from prompts.dedup.searcher import Searcher
from prompts.dedup.split import subject_keys
from prompts.distinct import Distinct
from prompts.prepare import Prepared
from prompts.searched import Searched

VERDICTS = (*CONTAMINATED, "subject_cap")
"""Why a prompt is refused although its rows were good; the first: it is not."""
_CAP = len(CONTAMINATED)


@dataclass(frozen=True)
class Selection:
    """What becomes of the N different prompts."""

    kept: NDArray[np.int32]  # [N] the prompt that stands for it, itself for one that stays, -1 for one that is refused
    rules: NDArray[np.int8]  # [N] of `dedup.pairs`, by which another stands for it, or 0
    verdicts: NDArray[np.uint8]  # [N] place in `VERDICTS`
    details: dict[int, str]
    """Of some that are refused, to what they are too close."""
    sizes: NDArray[np.int64]  # [N] rows that it stands for
    near: NearDuplicates
    places: NDArray[np.int64]  # [N] where `near` has it

    @property
    def stays(self) -> NDArray[np.bool_]:
        """[N] whether it is in the corpus."""
        return self.kept == np.arange(len(self.kept))


def select(
    prepared: Sequence[Prepared],
    distinct: Distinct,
    config: CorpusConfig,
    evaluation: Sequence[str],
    *,
    searched: Searched | None = None,
    searcher: Searcher | None = None,
) -> Selection:
    """Decide on every prompt.

    Args:
        prepared: of each source, `prepare.prepare`.
        distinct: their prompts.
        config: of the corpus.
        evaluation: prompts that must not be in the corpus.
        searched: what an earlier build found and what this one will; default: nothing is kept.
        searcher: what runs the searches; default threads of this process.
    """
    count, held_out = len(distinct.ids), len(evaluation)
    by_row = np.argsort(distinct.rows)
    rows = distinct.rows[by_row]
    earlier = searched.earlier(rows) if searched else None
    places = np.empty(count, np.int64)
    places[by_row] = np.arange(held_out, held_out + count)
    trust = np.r_[places, :held_out]
    near = find_near_duplicates(
        _texts(prepared, distinct, evaluation, len(earlier) if earlier else 0),
        config.near,
        trust=trust,
        workspace=searched.workspace if searched else None,
        searcher=searcher,
        earlier=earlier,
    )
    if searched:
        searched.keep(near, rows)
    pairs = near.pairs.copy()
    pairs[:, :2] = np.sort(np.r_[count : count + held_out, by_row][pairs[:, :2]], axis=1)
    pairs = unique_pairs(pairs)  # in an order that rows do not decide
    verdicts, details = contaminated(pairs, near.profile.sets[trust], near.profile.sizes[trust], evaluation)
    clean = (pairs[:, :2] < count).all(axis=1) & (np.append(verdicts, 0)[np.minimum(pairs[:, :2], count)] == 0).all(
        axis=1
    )
    kept, rules = cluster(pairs[clean], count, near.flaws[places], distinct.sizes)
    kept[verdicts != 0] = -1
    sizes = _sizes(kept, distinct)
    if config.subject_cap is not None:
        _cap(subject_keys(near)[places], kept, sizes, distinct.ids, verdicts, config.subject_cap)
        sizes = _sizes(kept, distinct)
    return Selection(kept, rules, verdicts, details, sizes, near, places)


def _texts(
    prepared: Sequence[Prepared], distinct: Distinct, evaluation: Sequence[str], known: int
) -> Iterator[pl.Series]:
    """What prompts are compared with, then each prompt once, in the order of its row; all but the first `known`."""
    if not known:
        yield pl.Series(evaluation, dtype=pl.String)
    wanted = np.zeros(len(distinct.prompt_of_row), np.bool_)
    wanted[np.sort(distinct.rows)[max(0, known - len(evaluation)) :]] = True
    start = 0
    for source in prepared:
        if wanted[start : start + source.rows].any():
            for rows in source.batches(["text"]):
                yield rows["text"].cast(pl.String).filter(pl.Series(wanted[start : start + len(rows)]))
                start += len(rows)
        else:
            start += source.rows


def _sizes(kept: NDArray[np.int32], distinct: Distinct) -> NDArray[np.int64]:
    told = kept >= 0
    return np.bincount(kept[told], weights=distinct.sizes[told], minlength=len(kept)).astype(np.int64)


def _cap(
    subjects: NDArray[np.uint64],
    kept: NDArray[np.int32],
    sizes: NDArray[np.int64],
    ids: NDArray[np.uint64],
    verdicts: NDArray[np.uint8],
    cap: int,
) -> None:
    """Refuse all but the `cap` largest clusters of each subject."""
    centres = np.flatnonzero(kept == np.arange(len(kept)))
    order = centres[np.lexsort((ids[centres], -sizes[centres], subjects[centres]))]
    new = np.r_[True, subjects[order][1:] != subjects[order][:-1]]
    starts = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    over = order[np.arange(len(order)) - starts >= cap]
    dropped = np.isin(kept, over)
    verdicts[dropped] = _CAP
    kept[dropped] = -1
