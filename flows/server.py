"""Where Prefect keeps its runs: a server that someone started, or one embedded in this run."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from infra.errors import UnavailableError
from infra.process import end_tree, start_on_leash
from infra.progress import console
from infra.settings import settings

_PROBE_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0
"""The first start migrates Prefect's store."""


@contextmanager
def prefect_server() -> Iterator[None]:
    """Have a Prefect server for the length of a block. Enter it before Prefect is imported.

    The server of `PREFECT_API_URL` if that is set; otherwise one on loopback that ends with this process, however it
    ends. Its runs are kept in Prefect's own store all the same.

    Raises:
        UnavailableError: the server of `PREFECT_API_URL` does not answer, or the embedded one does not start.
    """
    if os.environ.get("PREFECT_API_URL"):
        console.print(f"Prefect: {probe_prefect()}")
        yield
        return
    console.print("starting Prefect's server for this run (the first start takes some 20 seconds)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings().home.absolute() / "prefect.log"
    server = start_on_leash([sys.executable, "-m", "flows.embedded_server", str(port)], log=log)
    try:
        address = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError("Prefect's embedded server does not start", f"{log} says why")
            time.sleep(0.2)
        os.environ["PREFECT_API_URL"] = address
        yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        end_tree(server.pid, grace_seconds=5.0)
        server.wait()


def probe_prefect() -> str:
    """Which server is used.

    Raises:
        UnavailableError: the server of `PREFECT_API_URL` does not answer.
    """
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return "an embedded server for each run (PREFECT_API_URL is not set)"
    if not _answers(address):
        raise UnavailableError(
            f"no Prefect server answers at {address}",
            "start one with `prefect server start`, or unset PREFECT_API_URL to use the embedded one",
        )
    return f"server at {address} answers"


def _answers(address: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{address.rstrip('/')}/health", timeout=_PROBE_SECONDS).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
