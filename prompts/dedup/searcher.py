"""What runs the parts of a search."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Protocol

from prompts.beside import cores
from prompts.dedup.searches import Found, Job, Material


class Searcher(Protocol):
    """Runs jobs, in any order and anywhere."""

    memory: float
    """Bytes that the tables of one job may take."""
    parts: int
    """Into how many parts a search is cut at least."""

    def start(self, material: Material, jobs: Sequence[Job]) -> Callable[[], list[Found]]:
        """Begin; what is returned waits for the end and gives what was found, in the order of the jobs."""
        ...


class Threads:
    """Threads of this process; compiled loops let go of the interpreter.

    Args:
        memory: bytes for the tables of all jobs that run at a time.
        threads: how many run at a time; default one for each core.
    """

    def __init__(self, memory: float = inf, threads: int | None = None) -> None:
        threads = threads or cores()
        # There are two searches that take long, and beside them style is learned.
        self.memory, self.parts = memory / (threads + 1), max(1, threads // 2)
        # One pool: a search that is begun later waits for the earlier ones rather than for memory.
        self.pool, self.threads = ThreadPoolExecutor(threads), threads

    def start(self, material: Material, jobs: Sequence[Job]) -> Callable[[], list[Found]]:
        """As `Searcher.start`."""
        futures = [self.pool.submit(job, material) for job in jobs]
        return lambda: [future.result() for future in futures]
