"""Rows with equal keys, side by side."""

import numpy as np
from numpy.typing import NDArray


def group(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows whose key no other has, in ascending order; and all others, those of one key side by side.

    Most prompts are alone, and to go through them as they lie in memory is several times faster than by their keys.
    """
    order = np.argsort(keys)
    new = np.diff(keys[order], prepend=~keys[order[:1]], append=~keys[order[-1:]]) != 0
    alone = new[1:] & new[:-1]
    return np.sort(order[alone]), order[~alone]
