"""`python -m flows.embedded_server PORT`: a Prefect server on loopback that ends with the process that started it.

Prefect's own temporary server outlives a flow that is killed.
"""

import os
import sys

from infra.process import hold_leash


def main() -> None:
    """Serve until the parent ends."""
    hold_leash()
    # What Prefect sets for its own temporary server; it must not look for another one.
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update(PREFECT_UI_ENABLED="0", PREFECT__SERVER_EPHEMERAL="1", PREFECT__SERVER_FINAL="1")
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
