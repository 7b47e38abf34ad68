"""One way to show progress: a bar with rate and time left on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

console = Console(stderr=True, highlight=False)
"""Messages for people go to standard error; results for programs go to standard output."""

_LOG_EVERY_SECONDS = 10.0


def track(items: Iterable[T], description: str, total: int | None = None, done: int = 0) -> Iterator[T]:
    """Yield `items` while showing how far it is.

    Args:
        items: the work.
        description: what is being done, e.g. `training`.
        total: how many items there are in all, when `items` has no length.
        done: how many of `total` were finished before (a resumed run).
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with Meter(description, total, done) as meter:
        for count, item in enumerate(items, start=done + 1):
            yield item
            meter.reach(count)


class Meter:
    """Progress of work that is counted elsewhere; a context manager.

    Args:
        description: what is being done.
        total: units of work in all, if known.
        done: units that were finished before.
    """

    def __init__(self, description: str, total: int | None = None, done: int = 0) -> None:
        self._description, self._total, self._done = description, total, done
        self._count = done
        self._started = self._shown = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> "Meter":
        if console.is_terminal:
            self._bar = _bar()
            self._bar.add_task(self._description, total=self._total, completed=self._done, rate="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reach(self, count: int) -> None:
        """Say that `count` units are finished, those done before included."""
        if count == self._count:
            return
        if self._count == self._done and count > self._done + 1:
            self._done = count - 1  # what a resumed run had behind it does not count for the rate
        self._count = count
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=count, rate=self._rate())
        elif time.monotonic() - self._shown >= _LOG_EVERY_SECONDS or count == self._total:
            self._shown = time.monotonic()
            of = f"/{self._total}" if self._total else ""
            console.print(f"{self._description}: {count}{of} ({self._rate()}{self._left()})", markup=False)

    def _rate(self) -> str:
        rate = (self._count - self._done) / max(time.monotonic() - self._started, 1e-9)
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.1f} s each"

    def _left(self) -> str:
        if not self._total or self._count <= self._done:
            return ""
        each = (time.monotonic() - self._started) / (self._count - self._done)
        return f", {(self._total - self._count) * each:.0f} s left"


def _bar() -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        # Else what a command prints for programs would go to standard error while a bar is shown.
        redirect_stdout=sys.stdout.isatty(),
    )
