"""Of which sources the rows of each prompt are, and what follows from that: licences and weight."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.distinct import Distinct
from prompts.kernels import kernel
from prompts.licences import strictest
from prompts.selection import Selection
from prompts.sources import Source


class Origins:
    """Which sources have each prompt of a corpus.

    Args:
        sources: in their order.
        lengths: rows of each.
        distinct, selection: what became of the rows.
    """

    def __init__(
        self, sources: Sequence[Source], lengths: Sequence[int], distinct: Distinct, selection: Selection
    ) -> None:
        masks = np.zeros((len(distinct.ids), -(-len(sources) // 64)), np.uint64)
        _mark(masks, distinct.prompt_of_row, selection.kept, np.cumsum(lengths))
        # Few different sets of sources, many prompts: say what each set means once.
        sets, self._set_of_prompt = _unique(masks)
        self._meanings = _meanings(sets, sources)

    def of(self, prompts: NDArray[np.int32]) -> pl.DataFrame:
        """Columns `sources`, `licences`, `licence` and `weight` of some prompts that stay."""
        return self._meanings[self._set_of_prompt[prompts]]


def _unique(masks: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    if masks.shape[1] == 1:  # much faster than rows
        sets = pl.Series(masks[:, 0]).unique().sort().to_numpy()
        return sets[:, None], np.searchsorted(sets, masks[:, 0])
    return np.unique(masks, axis=0, return_inverse=True)


@kernel()
def _mark(masks, prompt_of_row, kept, ends):
    source = 0
    for row in range(len(prompt_of_row)):
        while row >= ends[source]:
            source += 1
        if prompt_of_row[row] >= 0 and kept[prompt_of_row[row]] >= 0:
            masks[kept[prompt_of_row[row]], source // 64] |= np.uint64(1) << np.uint64(source % 64)


def _meanings(sets: NDArray[np.uint64], sources: Sequence[Source]) -> pl.DataFrame:
    members = [[index for index in range(len(sources)) if int(mask[index // 64]) >> (index % 64) & 1] for mask in sets]
    licences = [{sources[index].licence for index in each} for each in members]
    return pl.DataFrame(
        {
            "sources": [[sources[index].name for index in each] for each in members],
            "licences": [sorted(each) for each in licences],
            "licence": [strictest(sorted(each)) if each else None for each in licences],
            "weight": [max((sources[index].config.weight for index in each), default=1.0) for each in members],
        },
        schema={
            "sources": pl.List(pl.String),
            "licences": pl.List(pl.String),
            "licence": pl.String,
            "weight": pl.Float32,
        },
    )
