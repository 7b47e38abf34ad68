"""Where time goes inside the product's own calls, without changing them and without making a GPU wait.

Public functions are wrapped for as long as a benchmark runs. Each wrapper notes the moment at which its stage begins
and ends: on a GPU as an event in its queue, so that the host may run ahead as it does in earnest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.roofline import Work, WorkCounter, nbytes, synchronise

REST = "the rest"
"""Time outside all stages."""


class Stages:
    """Time and work by stage. A stage within a stage is counted to the inner one alone."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.work: defaultdict[str, Work] = defaultdict(Work)
        """Of the runs inside `counted`."""
        self._current = REST
        self._marks: list[tuple[Any, str]] = []  # (moment, stage that begins)
        self._counting = False

    @contextmanager
    def watch(self, owner: Any, attribute: str, stage: str | Callable[..., str]) -> Iterator[None]:
        """Count calls of `owner.attribute` as a stage, named by a text or by a function of the call's arguments."""
        original = getattr(owner, attribute)

        def watched(*args: Any, **kwargs: Any) -> Any:
            name = stage if isinstance(stage, str) else stage(*args, **kwargs)
            with self.stage(name):
                result = original(*args, **kwargs)
                if self._counting:
                    self.work[name].passed += nbytes((args, kwargs, result))
            return result

        with patch.object(owner, attribute, watched):
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is inside as a stage."""
        outer = self._current
        self._begin(name)
        try:
            yield
        finally:
            self._begin(outer)

    def begin_at_gradient(self, of: Tensor, name: str) -> None:
        """Within the backward pass, begin another stage when the gradient of a tensor is complete."""

        def begin(_: Tensor) -> None:
            self._begin(name)

        if of.requires_grad:
            of.register_hook(begin)

    @contextmanager
    def counted(self, active: bool = True) -> Iterator[None]:
        """Add the work of what is inside to `work`. Slow: not to be timed, unless the work is large."""
        if not active:
            yield
            return
        self.work.clear()
        self._counting = True
        try:
            with WorkCounter(self._add):
                yield
        finally:
            self._counting = False

    @contextmanager
    def timed(self, into: list[dict[str, float]]) -> Iterator[None]:
        """Append the seconds of each stage, and of `REST`, of what is inside."""
        synchronise(self.device)
        self._marks = []
        self._begin(REST)
        yield
        self._begin(REST)
        synchronise(self.device)
        seconds: defaultdict[str, float] = defaultdict(float)
        for (start, stage), (end, _) in zip(self._marks, self._marks[1:], strict=False):
            seconds[stage] += start.elapsed_time(end) / 1e3 if self.device.type == "cuda" else end - start
        into.append(dict(seconds))

    def _begin(self, stage: str) -> None:
        self._current = stage
        if self.device.type == "cuda":
            moment = torch.cuda.Event(enable_timing=True)
            moment.record()
        else:
            moment = time.perf_counter()
        self._marks.append((moment, stage))

    def _add(self, kind: str, flops: int, moved: int) -> None:
        work = self.work[self._current]
        work.flops[kind] += flops
        work.operands += moved
