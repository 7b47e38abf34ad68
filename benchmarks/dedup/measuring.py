"""What a child process costs."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from infra.errors import PRDError


class Cost(NamedTuple):
    """Of a process and all that it started."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, of all cores together."""
    gigabytes: float
    """Resident at most, all processes together; where /proc is missing, that of the largest."""
    own_gigabytes: float
    """Of these at most what is no file that the system can drop; 0 where /proc is missing."""


_WATCHER = Path(__file__).with_name("watcher.py")


def run(command: Sequence[str], variables: Mapping[str, str], what: str) -> Cost:
    """Run a command to its end and measure it.

    A small process stands between: the highest memory of a child counts from the fork, so that a child of this one,
    with its libraries loaded, would seem never to have been smaller than it.

    Args:
        command: program and arguments.
        variables: of the environment, beside those there are.
        what: name for messages.

    Raises:
        PRDError: the command failed; its last words are told.
    """
    with tempfile.TemporaryDirectory() as folder:
        report, errors = Path(folder, "cost.json"), Path(folder, "errors.txt")
        with errors.open("wb") as stream:
            outer = subprocess.run(
                [sys.executable, "-S", "-E", str(_WATCHER), str(report), *command],
                env={**os.environ, **variables},
                stdout=subprocess.DEVNULL,
                stderr=stream,
            )
        if outer.returncode:
            words = errors.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise PRDError(f"{what} failed with status {outer.returncode}", words or "it said nothing")
        return Cost(**json.loads(report.read_text(encoding="utf-8")))
