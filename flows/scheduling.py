"""`prd corpus schedule`: the corpus's flow as a deployment that runs at its times for as long as this process lives."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any, Self

from flows.server import probe_prefect
from infra.errors import RecipeError, UnavailableError
from infra.progress import console
from prompts.config import CorpusConfig


def serve_corpus(config: CorpusConfig, cron: str, timezone: str | None = None) -> None:
    """Build the corpus at the times of `cron`, without sources that are down, until this process is ended.

    Args:
        config: what is wanted; paths in it count from the working directory.
        cron: five fields: minute, hour, day, month, weekday.
        timezone: of these, e.g. `Europe/Berlin`; default UTC.

    Raises:
        RecipeError: times or zone do not parse.
        UnavailableError: no Prefect server is set, or it does not answer.
    """
    if not os.environ.get("PREFECT_API_URL"):
        raise UnavailableError(
            "a schedule needs a Prefect server that stays: PREFECT_API_URL is not set",
            "`prefect server start`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api`",
        )
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.flows import EntrypointType
    from prefect.runner import Runner
    from prefect.schedules import Cron
    from pydantic import ValidationError

    from flows.corpus import corpus_flow

    class PoliteRunner(Runner):
        is_ending = False
        polling: asyncio.Task[Any] | None = None

        async def __aenter__(self) -> Self:
            entered = await super().__aenter__()
            self.polling = asyncio.current_task()
            self._end()
            return entered

        def handle_sigterm(self, *_: Any) -> None:
            """As asyncio ends on Ctrl-C. Prefect's own ends in a traceback and leaves the deployment active."""
            if not self.is_ending:
                self.is_ending = True
                self._end()

        def _end(self) -> None:
            if self.is_ending and self.polling is not None:  # before it polls it could not pause the deployment
                self.polling.get_loop().call_soon_threadsafe(self.polling.cancel)

    try:
        CronSchedule(cron=cron, timezone=timezone)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise RecipeError(
            f"{wrong['input']!r} is no schedule: {wrong['msg']}", 'e.g. --cron "0 3 * * *" --timezone Europe/Berlin'
        ) from None
    probe_prefect()
    console.print(f"corpus/{config.name} runs at {cron!r} ({timezone or 'UTC'}); Ctrl-C ends it", markup=False)
    runner = PoliteRunner(name=config.name, limit=1)  # a run that is not done yet holds up the next
    signal.signal(signal.SIGTERM, runner.handle_sigterm)
    runner.add_flow(
        corpus_flow,
        name=config.name,
        schedule=Cron(cron, timezone=timezone),
        parameters={"config": config.model_dump(mode="json"), "keep_going": True},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(runner.start())
