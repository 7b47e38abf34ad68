"""Files as bytes, unpacked where they are packed, never more of them than is sane."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infra.errors import InputError

LONGEST_RECORD = 2**20
"""Bytes of a line. What is longer is skipped, not held."""
LARGEST_DOCUMENT = 2**31
"""Bytes of a JSON document, which is held as a whole."""
MOST_RATIO = 200
"""Of unpacked to packed bytes; text packs some 3 to 20 times."""
MOST_UNQUESTIONED = 64 * 2**20
"""Bytes that any file may unpack to: small ones of few different rows pack well."""

PACKED = (".gz", ".zst")


class Budget:
    """How much a file may still unpack to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = max(MOST_UNQUESTIONED, MOST_RATIO * path.stat().st_size)

    def spend(self, count: int) -> None:
        """Take `count` bytes from it.

        Raises:
            InputError: it is used up.
        """
        self._left -= count
        if self._left < 0:
            raise InputError(
                f"{self._path} unpacks to more than {MOST_RATIO} times its size",
                "it may be made to fill the memory; if it is sound, unpack it and name that file",
            )


class _Spending(io.RawIOBase):
    """Bytes of an unpacking stream, counted."""

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        super().__init__()
        self._stream, self._budget = stream, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        self._budget.spend(len(content))
        return len(content)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked if its name says that it is packed.

    Raises:
        InputError: it cannot be read, is truncated, or unpacks to more than `MOST_RATIO` times its size.
    """
    packer = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    try:
        if packer is None:
            with path.open("rb") as stream:
                yield stream
            return
        if not path.stat().st_size:
            raise InputError(f"{path} is no whole {packer} file: it is empty", "fetch it again")
        with _unpacking(path) as stream, io.BufferedReader(_Spending(stream, Budget(path)), 2**18) as counted:
            yield counted  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is no whole {packer} file: {error}", "fetch it again") from None
    except OSError as error:
        if packer == "zstd" and error.errno is None:
            raise InputError(f"{path} is no whole zstd file: {error}", "fetch it again") from None
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "check the path and its rights") from None


def _unpacking(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    import pyarrow as pa

    return pa.input_stream(path, compression="zstd")


def bounded_lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Lines with their end, and how many bytes each has: a line beyond `LONGEST_RECORD` is given as its beginning."""
    while line := stream.readline(LONGEST_RECORD + 1):
        length = len(line)
        if length > LONGEST_RECORD:
            ended = line.endswith(b"\n")
            while not ended and (more := stream.readline(LONGEST_RECORD)):
                length += len(more)
                ended = more.endswith(b"\n")
        yield line, length
