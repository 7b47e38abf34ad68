"""`watcher.py REPORT COMMAND…`: run a command, write its seconds and memory as JSON, and end as it ended.

Only the standard library, so that it stays small: the memory of a child counts from the fork.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

_INTERVAL = 0.1
"""Seconds between two looks at memory."""


def main() -> int:
    """Watch the command to its end."""
    report, *command = sys.argv[1:]
    begin = time.perf_counter()
    child = subprocess.Popen(command)
    ended, highest, own = threading.Event(), [0], [0]

    def look() -> None:
        while not ended.wait(_INTERVAL):
            highest[0] = max(highest[0], resident(child.pid))
            own[0] = max(own[0], anonymous(child.pid))

    looking = threading.Thread(target=look)
    looking.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    ended.set()
    looking.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "gigabytes": max(largest, highest[0]) / 1e9}
    cost["own_gigabytes"] = own[0] / 1e9
    Path(report).write_text(json.dumps(cost), encoding="utf-8")
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def resident(process: int) -> int:
    """Bytes of a process and all below it now, pages that they share counted once.

    0 where there is one process, whose highest the system itself knows, and where there is no /proc.
    """
    processes = _tree(process)
    return sum(_bytes(each, "smaps_rollup", "Pss:") for each in processes) if len(processes) > 1 else 0


def anonymous(process: int) -> int:
    """Bytes that a process and all below it have made themselves; the rest are files that the system can drop."""
    return sum(_bytes(each, "status", "RssAnon:") for each in _tree(process))


def _tree(process: int) -> list[int]:
    try:
        tasks = list(Path("/proc", str(process), "task").iterdir())
        below = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []
    return [process, *(each for one in below for each in _tree(one))]


def _bytes(process: int, file: str, kind: str) -> int:
    """One line of a file of /proc. `status` is read at once; for `smaps_rollup` the process is held up."""
    try:
        lines = Path("/proc", str(process), file).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


if __name__ == "__main__":
    sys.exit(main())
