"""Large arrays of one build, in files that the system maps into memory and takes out again when it needs the room."""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from infra.errors import UnavailableError


class Workspace:
    """Named arrays that may be larger than memory.

    Args:
        folder: where their files are, on a disk rather than in memory; without one, arrays are ordinary ones.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def zeros(self, name: str, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros."""
        if self._folder is None:
            return np.zeros(size, dtype)
        path = self._folder / name
        with _enough_room(path), path.open("w+b") as file:
            bytes_wanted = size * np.dtype(dtype).itemsize
            if bytes_wanted:
                os.posix_fallocate(file.fileno(), 0, bytes_wanted)  # later it would be a signal
            return _mapped(file, dtype)

    def growing(self, name: str, dtype: DTypeLike) -> "Growing":
        """An array whose length shows in the end."""
        return Growing(None if self._folder is None else self._folder / name, np.dtype(dtype))


class Growing:
    """An array in the making; `Workspace.growing` begins one."""

    def __init__(self, path: Path | None, dtype: np.dtype[Any]) -> None:
        self._path, self._file, self._dtype = path, path.open("w+b") if path else None, dtype
        self._parts: list[NDArray[Any]] = []

    def append(self, part: NDArray[Any]) -> None:
        """Add to its end."""
        part = np.ascontiguousarray(part, self._dtype)
        if self._file is None:
            self._parts.append(part.copy())
            return
        with _enough_room(self._path):
            self._file.write(part.data)

    def whole(self) -> NDArray[Any]:
        """All that was added; nothing can be added any more."""
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._parts])
        with _enough_room(self._path), self._file as file:
            file.flush()
            return _mapped(file, self._dtype)


@contextmanager
def _enough_room(path: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}", "make room on this disk") from None


def mapped(path: Path, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[Any]:
    """An array of an earlier workspace; what is written into it stays in this process.

    Raises:
        OSError: its file is not there.
        ValueError: the file has another size.
    """
    with path.open("rb") as file:
        return _mapped(file, dtype, mmap.ACCESS_COPY).reshape(shape)


def _mapped(file: IO[bytes], dtype: DTypeLike, access: int = mmap.ACCESS_DEFAULT) -> NDArray[Any]:
    if os.fstat(file.fileno()).st_size == 0:  # nothing cannot be mapped
        return np.empty(0, dtype)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=access), dtype)
