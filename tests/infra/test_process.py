"""Children end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from infra.process import run_on_leash

# A child with a grandchild that left its process group, as daemons do.
CHILD = """
import subprocess, sys, time
from infra.process import hold_leash
hold_leash()
nested = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1], "w").write(f"{nested.pid}")
time.sleep(600)
"""
PARENT = """
import sys
from pathlib import Path
from infra.process import run_on_leash
run_on_leash([sys.executable, "-c", sys.argv[1], sys.argv[2]], log=Path(sys.argv[2] + ".log"))
"""


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.is_file() and path.read_text():
            return int(path.read_text())
        os.sched_yield()
    raise AssertionError("the child did not start")


def ended(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        return False
    return True


def test_status_and_log(tmp_path):
    log = tmp_path / "log"
    status = run_on_leash([sys.executable, "-c", "print('hello'); raise SystemExit(3)"], log=log)
    assert status == 3 and log.read_text() == "hello\n"


def test_stopping_ends_grandchildren(tmp_path):
    marker = tmp_path / "pid"
    status = run_on_leash(
        [sys.executable, "-c", CHILD, str(marker)],
        log=tmp_path / "log",
        should_stop=lambda: marker.is_file() and bool(marker.read_text()),
    )
    assert status != 0
    assert ended(int(marker.read_text()))


def test_a_killed_parent_takes_all_with_it(tmp_path):
    marker = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(marker)])
    grandchild = wait_for(marker)
    child = psutil.Process(grandchild).ppid()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert ended(child) and ended(grandchild)
