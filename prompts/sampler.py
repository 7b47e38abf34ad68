"""The order of training: a computed permutation for every epoch, sharded over ranks.

No list of indices is held, only where each one's visits end if prompts weigh differently: the state is two integers,
and a resumed run goes on exactly where the other stopped, on any number of ranks.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from infra.seeds import derive_seed

_ROUNDS = 6
_MASK = (1 << 64) - 1


class Permutation:
    """A keyed bijection of `range(size)`, in constant memory: a Feistel network, walked until it lands inside.

    The network permutes the smallest power of four that holds `size`, so a walk takes fewer than four steps on average.
    """

    def __init__(self, size: int, key: int) -> None:
        if size < 1:
            raise ValueError(f"size must be positive, not {size}")
        self.size = size
        self._half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._round_keys = [derive_seed(key, "permutation", index) for index in range(_ROUNDS)]

    def __call__(self, index: int) -> int:
        """Where `index` in [0, size) goes."""
        if not 0 <= index < self.size:
            raise IndexError(f"{index} is outside [0, {self.size})")
        index = self._shuffle(index)
        while index >= self.size:
            index = self._shuffle(index)
        return index

    def _shuffle(self, value: int) -> int:
        mask = (1 << self._half_bits) - 1
        left, right = value >> self._half_bits, value & mask
        for key in self._round_keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        return (left << self._half_bits) | right


def _mix(value: int) -> int:
    """The finaliser of SplitMix64: every bit of the result depends on every bit of `value`."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@dataclass(frozen=True)
class SamplerState:
    """What comes next: `position` in [0, size) of `epoch`."""

    epoch: int = 0
    position: int = 0

    def as_dict(self) -> dict[str, int]:
        """For JSON; `SamplerState(**…)` reads it back."""
        return asdict(self)


class PromptSampler:
    """Batches of indices. An epoch visits each index once, or as often as its weight says; a batch may span two epochs.

    Args:
        size: prompts in the corpus.
        seed: of the run.
        batch_size: prompts in one global batch, over all ranks.
        state: where to go on.
        weights: [size] how often an epoch visits each index on average, the largest at least 1; None: once. A fraction
            is a chance, drawn anew for each epoch.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        batch_size: int,
        state: SamplerState | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, not {batch_size}")
        if weights is not None and not (len(weights) == size and weights.min() >= 0 and weights.max() >= 1):
            raise ValueError(f"there must be {size} weights from 0 up, one of them at least 1")
        self.state = state or SamplerState()
        self.size = size
        self.seed = seed
        self.batch_size = batch_size
        self._weights = weights
        if self.state.epoch >= 0:
            self._begin_epoch()
        if self.state.epoch < 0 or not 0 <= self.state.position < self._order.size:
            raise ValueError(f"{self.state} does not fit a corpus of {size} prompts")

    def next_batch(self, rank: int = 0, world_size: int = 1) -> list[int]:
        """This rank's share of the next global batch; the state moves by the whole of it.

        The shares of all ranks, taken in turn (`batch[rank::world_size]`), are the global batch, whatever the number of
        ranks. They are of equal size when `world_size` divides `batch_size`.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is outside a world of {world_size}")
        batch = []
        for place in range(self.batch_size):
            if place % world_size == rank:
                batch.append(self._index(self._order(self.state.position)))
            self._advance()
        return batch

    def _index(self, visit: int) -> int:
        return visit if self._ends is None else int(np.searchsorted(self._ends, visit, side="right"))

    def _advance(self) -> None:
        epoch, position = self.state.epoch, self.state.position + 1
        if position == self._order.size:
            self.state = SamplerState(epoch + 1, 0)
            self._begin_epoch()
        else:
            self.state = SamplerState(epoch, position)

    def _begin_epoch(self) -> None:
        """The visits of this epoch, index after index, and their order."""
        self._ends = None
        if self._weights is not None:
            chance = _uniform(self.size, derive_seed(self.seed, "corpus visits", self.state.epoch))
            self._ends = np.cumsum(np.floor(self._weights + chance).astype(np.int64))
        visits = self.size if self._ends is None else int(self._ends[-1])
        self._order = Permutation(visits, derive_seed(self.seed, "corpus order", self.state.epoch))


def visit_weights(
    cluster_sizes: NDArray[np.int32], exponent: float, source_weights: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Weights for `PromptSampler`: how popular a prompt is, to the power `exponent`, times how its source weighs beside
    the average; None where all weigh the same.

    Only the ratios of source weights count, and on average they leave the length of an epoch as it is: a prompt that
    weighs a hundredth of the average is in one epoch of a hundred. Were the smallest weight one visit instead, that
    prompt would make every epoch a hundred times as long.

    Args:
        cluster_sizes: [size] rows that each prompt stands for.
        exponent: 0 ignores them, 1 visits a prompt as often as the sources have it.
        source_weights: [size] above 0.
    """
    popularity = np.maximum(cluster_sizes, 1).astype(np.float64) ** exponent
    if source_weights.min() == source_weights.max():
        return popularity if exponent else None
    weights = source_weights.astype(np.float64)
    # Rounded, an average can be above all that it is of.
    return popularity * (weights / min(np.average(weights, weights=popularity), weights.max()))


def _uniform(size: int, key: int) -> NDArray[np.float64]:
    """[size] numbers in [0, 1), by index and key alone."""
    value = np.arange(size, dtype=np.uint64) + np.uint64(key & _MASK)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((value ^ (value >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
