"""Make a corpus: prepare each source, select, write. Equal input gives an equal version on any machine."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.artifacts import folder_lock, is_finished, publish, read_manifest, seal, write_json
from infra.config import digest
from infra.errors import InputError, PRDError, UnavailableError
from infra.progress import console
from prompts.card import dataset_card
from prompts.catalogue import resolve
from prompts.charts import write_charts
from prompts.clean import RULES
from prompts.config import CorpusConfig
from prompts.corpus import CONFIG, STATS
from prompts.distinct import Distinct, find_distinct
from prompts.engine import Engine, engine_of
from prompts.policy import Policy
from prompts.prepare import prepare
from prompts.rows import in_order
from prompts.scores.revision import revision
from prompts.searched import Searched, past_of
from prompts.selection import VERDICTS, Selection, select
from prompts.shards import Shards
from prompts.sources import Source, find_source, find_sources, keyed_prompts, merged_prompts, source_names
from prompts.statistics import Statistics
from prompts.versions import RECIPE, versions
from prompts.writing import Decided, write_rows

_STAGING = ".staging"
_SCRATCH = "scratch"
_NOT_CONTENT = {"name", "sources", "evaluation_prompts", "new_prompts_for_event", "engine", "memory_gb"}
"""Of a configuration: what a corpus is called, who is told and how it is made, and what counts by its content."""


@dataclass(frozen=True)
class LeftOut:
    """A source that a corpus was built without."""

    name: str
    path: str
    reason: str
    """The error's message."""


def leave_out(name: str, path: str, error: PRDError) -> LeftOut:
    """Say that a corpus is built without a source, and why."""
    console.print(f"{name} is left out: {error}", markup=False, soft_wrap=True)
    return LeftOut(name, path, error.message)


def build_corpus(config: CorpusConfig, root: Path, *, keep_going: bool = False) -> Path:
    """Build the corpus of `config`, or find it built.

    Args:
        config: what is wanted.
        root: folder of all corpora.
        keep_going: leave out sources that cannot be had, and say so in the corpus, instead of stopping. Evaluation
            prompts are never left out.

    Returns:
        `root/<name>/<version>/`: `data/*.parquet` (the splits for `load_dataset`), `README.md` with its charts,
        `stats.json`, `clusters.parquet`, `rejects.parquet`, `config.yaml`, `text.arrow` (for `open_corpus`) and
        `manifest.json`. The version is a digest of the prompts and of what decided on them, whatever files their rows
        came from.

    Raises:
        InputError: a source is missing, unreadable or of unknown kind, or no row is left.
        UnavailableError: a data set of the Hub cannot be fetched.
        BusyError: another run is building this corpus.
    """
    held_out = find_sources(config.evaluation_prompts)
    with engine_of(config) as engine:
        if not keep_going:
            return build_from(config, find_sources(config.sources), held_out, root, engine)
        sources, missing = [], []
        for source, name in zip(config.sources, source_names(config.sources), strict=True):
            try:
                found = find_source(source, name)
                prepare(found, scores_of(config), root, engine)
                sources.append(found)
            except (InputError, UnavailableError) as error:
                missing.append(leave_out(name, source.path, error))
        return build_from(config, sources, held_out, root, engine, missing)


def build_from(
    config: CorpusConfig,
    sources: Sequence[Source],
    held_out: Sequence[Source],
    root: Path,
    engine: Engine,
    missing: Sequence[LeftOut] = (),
) -> Path:
    """`build_corpus` of sources that were found before, without those that are `missing`, by the work of `engine`."""
    if not sources:
        raise InputError(
            "no source can be read: " + "; ".join(f"{source.name} ({source.reason})" for source in missing),
            "check the paths and the network",
        )
    inputs = _inputs(config, sources, held_out, missing)
    home = root / config.name
    with folder_lock(home):
        staging = home / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        if found := _finished(home, inputs):
            console.print(f"corpus {config.name} {found.name} was there already: {found}", markup=False, soft_wrap=True)
            return found
        staging.mkdir(parents=True)
        try:
            facts = _build(config, sources, held_out, root, engine, missing, staging)
            folder = home / facts["version"]
            seal(staging, kind="corpus", inputs=inputs, facts=facts)
            publish(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    console.print(f"corpus {config.name} {folder.name} is in {folder}", markup=False, soft_wrap=True)
    return folder


def scores_of(config: CorpusConfig) -> list[str]:
    """What `prepare` has to measure for this corpus: of every source what the filters of any compare, so that no score
    has gaps."""
    policies = [config.filters, *(config.filters_of(resolve(source)) for source in config.sources)]
    return sorted({"n_words", *(name for policy in policies for name, _ in policy.active())})


def _finished(home: Path, inputs: dict[str, str]) -> Path | None:
    same = (folder for folder in versions(home) if read_manifest(folder).inputs == inputs)
    return next((folder for folder in same if is_finished(folder, inputs)), None)


def _inputs(
    config: CorpusConfig, sources: Sequence[Source], held_out: Sequence[Source], missing: Sequence[LeftOut]
) -> dict[str, str]:
    """Digests of everything that determines the content. The corpus's name does not."""
    return {
        "rules": str(RULES),
        "scorers": revision(scores_of(config)),
        "policy": _policy(config, sources),
        "weights": digest([source.config.weight for source in sources]),
        **{f"source {index}: {source.name}": digest(source.identity()) for index, source in enumerate(sources, 1)},
        **{f"evaluation: {source.name}": digest(source.identity()) for source in held_out},
        **{f"missing: {source.name}": "" for source in missing},
    }


def _policy(config: CorpusConfig, sources: Sequence[Source]) -> str:
    own = {source.name: source.treatment()["filters"] for source in sources if source.config.filters.root}
    return digest({**config.model_dump(mode="json", exclude=_NOT_CONTENT), "filters of sources": own})


def _build(
    config: CorpusConfig,
    sources: Sequence[Source],
    held_out: Sequence[Source],
    root: Path,
    engine: Engine,
    missing: Sequence[LeftOut],
    folder: Path,
) -> dict[str, Any]:
    scratch = folder / _SCRATCH
    scratch.mkdir()
    evaluation = [keyed_prompts(source) for source in held_out]
    shards, statistics = _decide(config, sources, merged_prompts(evaluation), root, engine, folder, scratch)
    written = shards.write(folder)
    scratch.rmdir()
    content: dict[str, Any] = {"rules": RULES, "policy": _policy(config, sources), "content": written.digest}
    if missing:  # even if what they hold would have changed nothing
        content["missing"] = sorted(source.name for source in missing)
    version = digest(content)[:12]
    stats = {
        **statistics.result(),
        "evaluation": [
            {"name": source.name, "file": source.file, "prompts": len(prompts)}
            for source, prompts in zip(held_out, evaluation, strict=True)
        ],
        "missing": [asdict(source) for source in missing],
        "splits": written.splits,
    }
    write_json(folder / STATS, stats)
    resolved = {
        **config.model_dump(mode="json", exclude=_NOT_CONTENT - {"name"}),
        "rules": RULES,
        "sources": [{**source.identity(), **source.treatment()} for source in sources],
        "evaluation_prompts": [source.identity() for source in held_out],
    }
    (folder / CONFIG).write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")
    write_charts(stats, statistics.words(), folder)
    (folder / "README.md").write_text(dataset_card(config.name, version, stats, written.examples), encoding="utf-8")
    return {
        "version": version,
        "prompts": stats["prompts"],
        "refused": stats["refused"],
        "merged": stats["merged"],
        RECIPE: config.model_dump(mode="json"),
    }


def _decide(
    config: CorpusConfig,
    sources: Sequence[Source],
    evaluation: Sequence[str],
    root: Path,
    engine: Engine,
    folder: Path,
    scratch: Path,
) -> tuple[Shards, Statistics]:
    """Decide on all rows, write what became of them, and give those that stay to their shards."""
    scores = scores_of(config)
    prepared = [prepare(source, scores, root, engine) for source in sources]
    policy = Policy(config, [source.config for source in sources], evaluation)
    distinct = find_distinct(prepared, policy)
    with Searched(root / config.name, past_of(config, prepared, evaluation)) as searched:
        selection = select(prepared, distinct, config, evaluation, searched=searched, searcher=engine)
    if not selection.stays.any():
        raise _nothing_left(sources, distinct, selection)
    shards, statistics = Shards(distinct.ids[selection.stays], config.holdout, scratch), Statistics(sources)
    if not shards.splits["train"]:
        raise InputError("all prompts are in the split `holdout`", "lower `holdout`, or add prompts")
    write_rows(Decided(sources, prepared, policy, distinct, selection), scores, shards, statistics, folder)
    return shards, statistics


def _nothing_left(sources: Sequence[Source], distinct: Distinct, selection: Selection) -> InputError:
    read = len(distinct.prompt_of_row)
    if not read:
        return InputError(f"the sources hold no rows: {', '.join(source.file for source in sources)}", "add a source")
    refused = Counter(distinct.refused)
    for verdict, rows in zip(selection.verdicts.tolist(), distinct.sizes.tolist(), strict=True):
        refused[VERDICTS[verdict]] += rows
    why = ", ".join(f"{count} {reason}" for reason, count in in_order(refused).items())
    return InputError(
        f"no row of {read} is left: {why}",
        "check the sources, their text column, `filters`, `languages` and `evaluation_prompts`",
    )
