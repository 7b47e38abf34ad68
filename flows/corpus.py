"""The corpus as a Prefect flow: shards of its sources side by side, each with its retries, then selection and writing.

A prepared shard stays on disk, so a run that was killed goes on with those that are missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.growth import announce
from flows.showing import leave_artifact, table
from flows.stages import StageResult, corpus_result
from infra.errors import BusyError, InputError, RunCancelled, UnavailableError
from infra.settings import settings
from prompts.build import LeftOut, build_from, leave_out, scores_of
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import corpus_stats
from prompts.engine import Engine, engine_of
from prompts.novelty import Novelty, novelty
from prompts.prepare import prepare_shard
from prompts.rows import MERGES, reason_meaning
from prompts.sources import Shard, Source, find_source, find_sources, source_names

_SIDE_BY_SIDE: Any = ThreadPoolTaskRunner(max_workers=4)
"""Sources are read four at a time; each holds a batch of rows in memory."""
_BACK_OFF_SECONDS = [5.0, 30.0, 120.0]
"""A run that is to end waits for the pause that it is in."""


def _may_pass(task: Any, run: Any, state: Any) -> bool:
    """Whether another try may help: a broken file stays broken."""
    return isinstance(state.result(raise_on_failure=False), UnavailableError | BusyError)


_PATIENT: dict[str, Any] = {
    "retries": len(_BACK_OFF_SECONDS),
    "retry_delay_seconds": _BACK_OFF_SECONDS,
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": _may_pass,
    "cache_policy": NO_CACHE,
}


@task(task_run_name="find {name}", **_PATIENT)
def find(name: str, source: SourceConfig) -> Source:
    """Find one source: fetch it, or look up what was fetched."""
    return find_source(source, name)


@task(task_run_name="prepare {name}: {shard.name}", **_PATIENT)
def prepare_part(name: str, shard: Shard, config: CorpusConfig, engine: Engine, stop: Event) -> None:
    """Read one shard of a source and describe its rows, or find that done."""
    stoppable = replace(shard, open=lambda: _until(stop, shard.open()))
    prepare_shard(stoppable, name, scores_of(config), settings().corpora, engine)


@task(task_run_name="find evaluation prompts", **_PATIENT)
def find_evaluation_prompts(config: CorpusConfig) -> list[Source]:
    """The prompts that must not be in the corpus. They are never left out."""
    return find_sources(config.evaluation_prompts)


@task(task_run_name="select and write", cache_policy=NO_CACHE)
def write_corpus(
    config: CorpusConfig, sources: list[Source], held_out: list[Source], engine: Engine, missing: list[LeftOut]
) -> StageResult:
    """Rows of all prepared sources → a version of the corpus."""
    return corpus_result(build_from(config, sources, held_out, settings().corpora, engine, missing))


@flow(name="corpus", task_runner=_SIDE_BY_SIDE)
def corpus_flow(config: CorpusConfig, keep_going: bool = False) -> StageResult:
    """Prompt sources → a version of the corpus, announced when it has grown.

    Args:
        config: what is wanted.
        keep_going: leave out sources that cannot be had, and say so, instead of failing.

    Raises:
        InputError: a source cannot be read, or nothing is left.
        UnavailableError: a source cannot be fetched, now and on all later tries.
        BusyError: another run is building this corpus.
    """
    with engine_of(config) as engine:
        sources, held_out, missing = _prepare_all(config, engine, keep_going)
        result = write_corpus(config, sources, held_out, engine, missing)
    stats, news = corpus_stats(result.folder), novelty(result.folder)
    facts = {**result.facts, "new prompts": news.new, "compared with": news.previous or "nothing: the first version"}
    leave_artifact("corpus", replace(result, facts=facts), *_funnel(stats), *_origins(stats, news))
    announce(result.folder, stats, config.new_prompts_for_event)
    return replace(result, facts=facts)


def _prepare_all(
    config: CorpusConfig, engine: Engine, keep_going: bool
) -> tuple[list[Source], list[Source], list[LeftOut]]:
    """Sources in their order, evaluation prompts, and sources that are not to be had."""
    stop = Event()
    names = source_names(config.sources)
    evaluation: PrefectFuture[Any] = find_evaluation_prompts.submit(config)
    finding: dict[PrefectFuture[Any], int] = {
        find.submit(name, source): index for index, (name, source) in enumerate(zip(names, config.sources, strict=True))
    }
    found: dict[int, Source] = {}
    missing: dict[int, LeftOut] = {}
    preparing: dict[PrefectFuture[Any], int] = {}

    def ended(future: PrefectFuture[Any], index: int) -> Any:
        try:
            return future.result()
        except (InputError, UnavailableError) as error:
            if not keep_going:
                raise
            if index not in missing:
                missing[index] = leave_out(names[index], config.sources[index].path, error)

    try:
        for future in as_completed([evaluation, *finding]):
            if future is evaluation:
                future.result()
            elif source := ended(future, index := finding[future]):
                found[index] = source
                for shard in source.shards:
                    preparing[prepare_part.submit(names[index], shard, config, engine, stop)] = index
        for future in as_completed([*preparing]):
            ended(future, preparing[future])
    finally:
        stop.set()  # else those that are still being read would hold up the end
    whole = [found[index] for index in sorted(found) if index not in missing]
    return whole, evaluation.result(), [missing[index] for index in sorted(missing)]


def _until(stop: Event, batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        if stop.is_set():
            raise RunCancelled("the run has ended", "what was prepared before is kept")
        yield batch


def _funnel(stats: dict[str, Any]) -> Sequence[str]:
    rows = [
        ("read", stats["read"], "rows of all sources"),
        *((f"− refused: {reason}", count, reason_meaning(reason)) for reason, count in stats["refused"].items()),
        *((f"− merged: {rule}", count, MERGES[rule]) for rule, count in stats["merged"].items()),
        ("**prompts**", stats["prompts"], "in this version"),
    ]
    return "## From rows to prompts", table(("step", "rows", "meaning"), *rows)


def _origins(stats: dict[str, Any], news: Novelty) -> Sequence[str]:
    rows = [
        (source["name"], source["read"], source["kept"], source["only_here"], news.new_by_source[source["name"]])
        for source in stats["sources"]
    ]
    compared = (
        f"Compared with version {news.previous}: {news.new} prompts are new, {news.gone} are gone."
        if news.previous
        else "This is the first version: all its prompts are new."
    )
    origins = ("## Sources", table(("source", "read", "kept", "only here", "new"), *rows), compared)
    if not stats["missing"]:
        return origins
    lost = table(("source", "path", "why"), *((s["name"], s["path"], s["reason"]) for s in stats["missing"]))
    return *origins, "## Left out", lost
