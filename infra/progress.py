"""One progress bar for all long work: rate and time left on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console

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
    if console.is_terminal:
        yield from _bar(items, description, total, done)
    else:
        yield from _lines(items, description, total, done)


def _bar(items: Iterable[T], description: str, total: int | None, done: int) -> Iterator[T]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(description, total=total, completed=done, rate="")
        started = time.monotonic()
        for count, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=done + count, rate=_rate(count, time.monotonic() - started))


def _lines(items: Iterable[T], description: str, total: int | None, done: int) -> Iterator[T]:
    started = shown = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown >= _LOG_EVERY_SECONDS or done + count == total:
            shown = now
            left = f", {(total - done - count) * (now - started) / count:.0f} s left" if total else ""
            of = f"/{total}" if total else ""
            print(f"{description}: {done + count}{of} ({_rate(count, now - started)}{left})", file=sys.stderr)  # noqa: T201


def _rate(count: int, seconds: float) -> str:
    rate = count / max(seconds, 1e-9)
    return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
