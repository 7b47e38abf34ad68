"""Child processes that cannot outlive their parent.

The parent starts a child in a session of its own and keeps the write end of a pipe, the *leash*. Whatever ends the
parent, `kill -9` included, closes the pipe; the child notices and ends its own tree.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

_POLL_SECONDS = 0.2
_LEASH = "PRD_LEASH"


def run_on_leash(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_poll: Callable[[], None] = lambda: None,
    grace_seconds: float = 20.0,
) -> int:
    """Run `command` in its own process group until it ends, and leave nothing of it behind.

    Args:
        command: program and arguments; never passed through a shell.
        log: file to which its output is appended.
        environment: variables added to those of this process.
        should_stop: asked several times a second; True ends the child.
        on_poll: called as often, e.g. to show progress.
        grace_seconds: time between SIGTERM and SIGKILL.

    Returns:
        The exit status; negative when it died by a signal.
    """
    child = start_on_leash(command, log=log, environment=environment)
    try:
        while child.poll() is None and not should_stop():
            on_poll()
            time.sleep(_POLL_SECONDS)
    finally:
        end_tree(child.pid, grace_seconds)
        child.wait()
    return child.returncode


def start_on_leash(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, to end with this process. Whoever started it ends it by `end_tree`.

    Arguments as for `run_on_leash`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {}), _LEASH: "1"},
        )


def hold_leash() -> None:
    """Called first by a child that was started on a leash: end with the parent. Does nothing in any other process."""
    if os.environ.pop(_LEASH, None) is None:
        return
    leash = os.dup(sys.stdin.fileno())

    def wait_for_parent() -> None:
        while os.read(leash, 1):
            pass
        end_tree(os.getpid(), grace_seconds=5.0)

    threading.Thread(target=wait_for_parent, name="leash", daemon=True).start()


def end_tree(pid: int, grace_seconds: float) -> None:
    """End `pid` and all its descendants: SIGTERM, then SIGKILL to what is left after the grace time.

    Children are found by parentage *and* by session, because a daemon may have been re-parented.
    """
    tree = process_tree(pid)
    _signal(tree, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(_alive(process) for process in tree):
        time.sleep(_POLL_SECONDS / 2)
    # Those started meanwhile are found by the session, which outlives its leader.
    _signal({*tree, *process_tree(pid)}, signal.SIGKILL)


def process_tree(pid: int) -> set[psutil.Process]:
    """`pid`, its descendants and the members of its session, without this process when it is another one."""
    tree: set[psutil.Process] = set()
    try:
        root = psutil.Process(pid)
        tree |= {root, *root.children(recursive=True)}
    except psutil.NoSuchProcess:
        pass
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid:
                tree.add(process)
        except (ProcessLookupError, PermissionError):
            continue
    return {process for process in tree if process.pid != os.getpid() or pid == os.getpid()}


def _signal(processes: set[psutil.Process], number: signal.Signals) -> None:
    # This process, when it is part of the tree, comes last.
    for process in sorted(processes, key=lambda one: one.pid == os.getpid()):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
