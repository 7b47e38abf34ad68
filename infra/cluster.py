"""Ray: a local instance for this process, or a running cluster."""

import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from infra.errors import UnavailableError

_PROBE_SECONDS = 5.0


@contextmanager
def ray_session(address: str | None, cpus: float, object_store_mb: int) -> Iterator[None]:
    """Connect to Ray for the length of a block.

    Args:
        address: `host:port` or `ray://…` of a cluster, or None to start an instance that ends with this process.
        cpus: logical CPUs that will be asked for; a local instance offers at least as many, so that a small machine
            can hold everything, each process being limited to its own threads.
        object_store_mb: shared memory of a local instance.

    Raises:
        UnavailableError: the cluster does not answer, or a local instance does not start.
    """
    if address:
        probe_ray(address)
    else:
        # Named for other systems, it means: no other machine will join. Everything then listens on loopback only.
        # Read when Ray is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    try:
        if address:
            ray.init(address=address, log_to_driver=True)
        else:
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, math.ceil(cpus)),
                include_dashboard=False,
                object_store_memory=object_store_mb * 2**20,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnavailableError(
            f"Ray does not start {where}: {reason}", "check PRD_RAY_ADDRESS, or unset it to run on this machine"
        ) from None
    try:
        yield
    finally:
        with suppress(Exception):  # a cluster that is gone must not hide why
            ray.shutdown()


def cluster_gpus(address: str) -> int:
    """How many GPUs a cluster has.

    Raises:
        UnavailableError: it does not answer.
    """
    with ray_session(address, 0, 0):
        import ray

        return int(ray.cluster_resources().get("GPU", 0))


def probe_ray(address: str) -> None:
    """Make sure that something answers at `address`; Ray itself would wait for minutes.

    Raises:
        UnavailableError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UnavailableError(f"{address!r} is not the address of a Ray cluster", "PRD_RAY_ADDRESS takes HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        raise UnavailableError(
            f"no Ray cluster answers at {address}: {error}",
            "check PRD_RAY_ADDRESS (host:port), or unset it to run on this machine",
        ) from None
