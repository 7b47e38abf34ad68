"""Prefect's embedded server serves a run and ends with it, even when the run is killed."""

import os
import signal
import subprocess
import sys

import httpx

from tests.faults.conftest import Workplace, wait_until

RUN = """
import os, sys
from flows.server import prefect_server
with prefect_server():
    print(os.environ["PREFECT_API_URL"], flush=True)
    sys.stdin.read()
"""


def test_the_embedded_server_ends_with_a_killed_run(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    environment |= {"PRD_HOME": str(tmp_path / "home"), "PREFECT_HOME": str(tmp_path / "prefect")}
    place = Workplace(tmp_path / "home", tmp_path / "unused.yaml", environment)
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    address = run.stdout.readline().strip()
    assert httpx.get(f"{address}/health").is_success
    assert len(place.processes()) >= 2

    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    wait_until(lambda: not place.processes(), seconds=30)
