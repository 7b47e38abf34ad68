"""Work on one thread more, while the caller goes on: for steps that let go of the interpreter."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar, cast

T = TypeVar("T")
U = TypeVar("U")
_END = object()


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made while the one before is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, items, _END)
            yield cast(T, item)


def each_ahead(do: Callable[[T], U], items: Iterable[T], pool: Executor, ahead: int) -> Iterator[U]:
    """What `do` makes of each item, in order, so many items ahead of who takes it."""
    coming = deque[Future[U]]()
    for item in items:
        coming.append(pool.submit(do, item))
        if len(coming) > ahead:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


class Beside:
    """Does one thing after the other on a thread, at most one behind the caller; a context manager.

    What goes wrong is raised by the next call, or by the end of the block.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> "Beside":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._thread:
            if kind is None:
                self._wait()

    def do(self, step: Callable[[], None]) -> None:
        """Begin a step when the last is done."""
        self._wait()
        self._last = self._thread.submit(step)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
