"""Where Prefect keeps its runs: a server that someone started, or the one embedded in this process."""

import os

from infra.errors import UnavailableError
from infra.progress import console

_PROBE_SECONDS = 5.0


def require_prefect() -> None:
    """Make sure that Prefect can be used, and say what is about to happen.

    Raises:
        UnavailableError: the server of `PREFECT_API_URL` does not answer.
    """
    console.print(f"Prefect: {probe_prefect()}")


def probe_prefect() -> str:
    """Which server is used.

    Raises:
        UnavailableError: the server of `PREFECT_API_URL` does not answer.
    """
    import httpx

    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return "an embedded server for each run; its first start takes some 20 seconds (PREFECT_API_URL is not set)"
    try:
        httpx.get(f"{address.rstrip('/')}/health", timeout=_PROBE_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(
            f"no Prefect server answers at {address}: {error}",
            "start one with `prefect server start`, or unset PREFECT_API_URL to use the embedded one",
        ) from None
    return f"server at {address} answers"
