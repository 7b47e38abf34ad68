"""Hash tables of 64-bit keys for the joins: exact, with bits for each key in front: most misses cost one look."""

from math import ceil

import numpy as np

from prompts.kernels import kernel

_BYTES_PER_KEY = 40
"""Of a table with its bits and its keys with what they stand for, at most."""


def parts_for(keys: int, memory: float) -> int:
    """In how many parts so many keys have to be looked at to stay within so many bytes."""
    return max(1, ceil(keys * _BYTES_PER_KEY / memory))


@kernel()
def part_of(key, parts):
    """Which of so many parts a key is in, in [0, parts). A search over one part after the other needs less memory."""
    return np.int64((key >> np.uint64(40)) * np.uint64(parts) >> np.uint64(24))


@kernel()
def keys_in_part(rows, sets, part, parts):
    """Those rows whose set is in a part, and their sets."""
    count = 0
    for row in rows:
        count += part_of(sets[row], parts) == part
    chosen, keys, count = np.empty(count, np.int32), np.empty(count, np.uint64), 0
    for row in rows:
        if part_of(sets[row], parts) == part:
            chosen[count], keys[count] = row, sets[row]
            count += 1
    return chosen, keys


@kernel()
def make_table(keys):
    """Open addressing over `keys`: (slots with the first index of each key or -1, next index of the same key or -1).

    Indices of one key come in ascending order.
    """
    size = 16
    while size < 2 * len(keys):
        size *= 2
    slots = np.full(size, -1, np.int32)
    following = np.full(len(keys), -1, np.int32)
    mask = np.uint64(size - 1)
    for index in range(len(keys) - 1, -1, -1):
        slot = slot_of(keys[index], mask)
        while slots[slot] >= 0 and keys[slots[slot]] != keys[index]:
            slot = (slot + np.uint64(1)) & mask
        following[index] = slots[slot]
        slots[slot] = index
    return slots, following


@kernel()
def make_bits(keys):
    """A Bloom filter that holds every key: three bits of one word for each, and a word for four of them or fewer."""
    size = 16
    while size < len(keys) // 4:
        size *= 2
    bits = np.zeros(size, np.uint64)
    for key in keys:
        bits[_word_of(key, size)] |= _pattern(key)
    return bits


@kernel()
def maybe(bits, key):
    """False when `key` is surely not there."""
    pattern = _pattern(key)
    return bits[_word_of(key, len(bits))] & pattern == pattern


@kernel()
def _word_of(key, size):
    return (key >> np.uint64(18)) & np.uint64(size - 1)


@kernel()
def _pattern(key):
    one, mask = np.uint64(1), np.uint64(63)
    return one << (key & mask) | one << ((key >> np.uint64(6)) & mask) | one << ((key >> np.uint64(12)) & mask)


@kernel()
def find(slots, keys, key):
    """First index of `key`, or -1."""
    mask = np.uint64(len(slots) - 1)
    slot = slot_of(key, mask)
    while slots[slot] >= 0:
        if keys[slots[slot]] == key:
            return slots[slot]
        slot = (slot + np.uint64(1)) & mask
    return np.int32(-1)


@kernel()
def slot_of(key, mask):
    """Where the search for a key begins."""
    return (key ^ (key >> np.uint64(32))) & mask
