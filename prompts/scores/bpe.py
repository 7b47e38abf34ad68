"""CLIP's byte-pair encoding of one piece of text, as a count."""

from functools import cache
from heapq import heapify, heappop, heappush

import numpy as np

from prompts.clip_vocabulary import clip_merges
from prompts.kernels import kernel

_SLOTS = 1 << 17
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@cache
def load_merges() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vocabulary that open_clip ships, for `count_piece`.

    Returns:
        `symbols` (int64 [256]): the token of each byte within a piece; 256 more where the piece ends with it.
        `pairs` (uint64) and `ranks` (int64): a hash table from two tokens to the rank of their merge.

    Raises:
        MissingError: open_clip or its vocabulary is not installed.
    """
    # Printable bytes stand for themselves, in three runs; the others are numbered after them.
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    order = [*printable, *others]
    characters = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    token = {text: i for i, text in enumerate([*characters, *(text + "</w>" for text in characters)])}
    pairs = np.zeros(_SLOTS, dtype=np.uint64)
    ranks = np.zeros(_SLOTS, dtype=np.int64)
    for rank, (first, second) in enumerate(clip_merges()):
        _insert(pairs, ranks, token[first], token[second], rank)
        token.setdefault(first + second, 512 + rank)
    symbols = np.empty(256, dtype=np.int64)
    symbols[order] = np.arange(256)
    return symbols, pairs, ranks


@kernel()
def _insert(pairs, ranks, first, second, rank):
    key = (np.uint64(first) << np.uint64(32)) | np.uint64(second) | np.uint64(1 << 63)
    place = np.int64((key * _FACTOR) >> np.uint64(64 - 17))
    while pairs[place] != 0:
        place = (place + 1) % _SLOTS
    pairs[place] = key
    ranks[place] = rank


@kernel()
def _rank(pairs, ranks, first, second):
    """Rank of the merge of two tokens, -1 if there is none."""
    key = (np.uint64(first) << np.uint64(32)) | np.uint64(second) | np.uint64(1 << 63)
    place = np.int64((key * _FACTOR) >> np.uint64(64 - 17))
    while pairs[place] != 0:
        if pairs[place] == key:
            return ranks[place]
        place = (place + 1) % _SLOTS
    return -1


@kernel()
def count_piece(data, symbols, pairs, ranks):
    """Tokens of the piece `data`: the lowest-ranked pair merges, the leftmost first, until none is left.

    A merge only makes pairs of higher rank than its own, so one queue of (rank, place) gives the order; O(n log n) in
    the bytes of the piece.
    """
    size = len(data)
    if size == 1:
        return 1
    tokens = np.empty(size, dtype=np.int64)
    following = np.empty(size, dtype=np.int64)
    before = np.empty(size, dtype=np.int64)
    for i in range(size):
        tokens[i] = symbols[data[i]]
        following[i] = i + 1
        before[i] = i - 1
    tokens[size - 1] += 256
    queue = [np.int64(-1)]
    queue.pop()
    for i in range(size - 1):
        rank = _rank(pairs, ranks, tokens[i], tokens[i + 1])
        if rank >= 0:
            queue.append(np.int64((rank << 32) | i))
    heapify(queue)
    left = size
    while queue:
        best = heappop(queue)
        rank = best >> 32
        i = best & 0xFFFFFFFF
        j = following[i] if tokens[i] >= 0 else size
        if j >= size or _rank(pairs, ranks, tokens[i], tokens[j]) != rank:
            continue  # one of the two has merged meanwhile
        tokens[i] = 512 + rank
        tokens[j] = -1
        left -= 1
        after = following[j]
        following[i] = after
        if after < size:
            before[after] = i
            rank = _rank(pairs, ranks, tokens[i], tokens[after])
            if rank >= 0:
                heappush(queue, (rank << 32) | i)
        if before[i] >= 0:
            rank = _rank(pairs, ranks, tokens[before[i]], tokens[i])
            if rank >= 0:
                heappush(queue, (rank << 32) | before[i])
    return left
