"""What the Hub's content store does with an upload: chunks come in xorbs, and a shard says which make up a file."""

from collections.abc import Iterator, Mapping
from struct import iter_unpack, pack, unpack_from

import numpy as np
import pyarrow as pa

_ENTRY = 48
"""Bytes of a shard's header, and of each entry of it."""
_VERIFIED, _DESCRIBED = 1 << 31, 1 << 30
"""Flags of a file: an entry more for each of its segments, one more with its SHA-256."""


def read_shard(shard: bytes, xorbs: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """SHA-256 and content of each file that a shard describes.

    Args:
        shard: as it was sent.
        xorbs: hash → content, of all that were sent.
    """
    at = _ENTRY
    while shard[at : at + 32] != b"\xff" * 32:
        flags, segments = unpack_from("<II", shard, at + 32)
        at += _ENTRY
        content = b""
        for _ in range(segments):
            size, first, last = unpack_from("<III", shard, at + 36)
            part = b"".join(_chunks(xorbs[_hash(shard[at : at + 32])])[first:last])
            assert len(part) == size
            content += part
            at += _ENTRY
        at += _ENTRY * segments if flags & _VERIFIED else 0
        assert flags & _DESCRIBED
        yield _hash(shard[at : at + 32]), content
        at += _ENTRY


def _hash(words: bytes) -> str:
    """Hashes are written as four numbers of 64 bits, the lowest byte first."""
    return b"".join(pack(">Q", word) for (word,) in iter_unpack("<Q", words)).hex()


def _chunks(xorb: bytes) -> list[bytes]:
    chunks, at = [], 0
    while at + 8 <= len(xorb) and xorb[at] == 0:  # what follows the chunks does not begin with their version
        packed, size = (int.from_bytes(xorb[at + start : at + start + 3], "little") for start in (1, 5))
        body = xorb[at + 8 : at + 8 + packed]
        chunks.append(_unpacked(body, xorb[at + 4], size))
        at += 8 + packed
    return chunks


def _unpacked(body: bytes, scheme: int, size: int) -> bytes:
    if scheme == 0:
        return body
    plain = pa.Codec("lz4").decompress(body, size, asbytes=True)
    if scheme == 1:
        return plain
    # First bytes of all numbers of 32 bits, then second ones, …
    groups = np.array_split(np.frombuffer(plain, np.uint8), 4)
    whole = np.empty(size, np.uint8)
    for index, group in enumerate(groups):
        whole[index::4] = group
    return whole.tobytes()
