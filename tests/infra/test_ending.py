"""SIGTERM, wherever it comes: the exit code that is documented, and no traceback."""

import subprocess
import sys

import pytest

from infra.ending import EXIT_CODE

SCRIPT = """
import ctypes, os, signal, sys, time
from infra.ending import ended_by_sigterm

@ctypes.CFUNCTYPE(None)
def called_by_c():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)

def wait():
    try:
        time.sleep(60)
    finally:
        print("left")

with ended_by_sigterm():
    {body}
"""


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), signal.SIGTERM); wait()",
        "called_by_c(); wait()",
        "called_by_c(); print('left'); raise RuntimeError('no compiled object yet')",
        "called_by_c(); called_by_c(); wait()",
    ],
)
def test_sigterm_ends_a_command(body):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (EXIT_CODE, "")
    assert done.stdout == ("" if body.startswith("os.kill") else "left\n")


def test_without_sigterm_errors_are_errors():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body="raise RuntimeError('a bug')")], capture_output=True, text=True
    )
    assert done.returncode == 1 and "RuntimeError: a bug" in done.stderr
