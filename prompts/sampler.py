"""The order in which training visits the corpus: a computed permutation for every epoch, sharded over ranks.

No list of indices is held: the state is two integers, and a resumed run goes on exactly where the other stopped,
on any number of ranks.
"""

from dataclasses import asdict, dataclass

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
    """Batches of indices. Every epoch visits each index once; a batch may span two epochs.

    Args:
        size: prompts in the corpus.
        seed: of the run.
        batch_size: prompts in one global batch, over all ranks.
        state: where to go on.
    """

    def __init__(self, size: int, seed: int, batch_size: int, state: SamplerState | None = None) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, not {batch_size}")
        self.state = state or SamplerState()
        if self.state.epoch < 0 or not 0 <= self.state.position < size:
            raise ValueError(f"{self.state} does not fit a corpus of {size} prompts")
        self.size = size
        self.seed = seed
        self.batch_size = batch_size
        self._order = self._permutation()

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
                batch.append(self._order(self.state.position))
            self._advance()
        return batch

    def _advance(self) -> None:
        epoch, position = self.state.epoch, self.state.position + 1
        if position == self.size:
            self.state = SamplerState(epoch + 1, 0)
            self._order = self._permutation()
        else:
            self.state = SamplerState(epoch, position)

    def _permutation(self) -> Permutation:
        return Permutation(self.size, derive_seed(self.seed, "corpus order", self.state.epoch))
