"""A Prefect server of the tests' own, with all its services."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.faults.conftest import wait_until


@contextmanager
def prefect_server_in(home: Path) -> Iterator[str]:
    """Its address, ending in `/api`; its store is in `home`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/api"

    def answers() -> bool:
        try:
            return httpx.get(f"{address}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "PREFECT_HOME": str(home)}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(answers, seconds=180)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
