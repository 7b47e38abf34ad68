"""SIGTERM ends a command as Ctrl-C does: by an exception, so that no child and no half-made file is left."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EXIT_CODE = 128 + signal.SIGTERM
_AGAIN_SECONDS = 1.0


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """A context which SIGTERM leaves with `EXIT_CODE`, whatever it meets on its way out. For the main thread, once.

    An exception cannot leave a function that C code has called, the hooks of numba's compiler for one: Python drops it
    there, and the C code goes on or fails. What was dropped is raised again when C has returned, and what fails after
    SIGTERM came does so because of it.
    """
    ending = _Ending()
    signal.signal(signal.SIGTERM, ending.begin)
    sys.unraisablehook = ending.begin_again
    try:
        yield
    except Exception:
        if not ending.has_begun:
            raise
        ending.reached()
        sys.exit(EXIT_CODE)


class _Ending:
    def __init__(self) -> None:
        self.has_begun = False
        self._again: threading.Timer | None = None

    def begin(self, *_: Any) -> None:
        self.reached()  # what is on its way must not be interrupted by what was to start it
        self.has_begun = True
        sys.exit(EXIT_CODE)

    def begin_again(self, dropped: "sys.UnraisableHookArgs") -> None:
        if not (self.has_begun and dropped.exc_type is SystemExit):
            return sys.__unraisablehook__(dropped)
        self.reached()
        self._again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
        self._again.daemon = True
        self._again.start()

    def reached(self) -> None:
        if self._again is not None:
            self._again.cancel()
