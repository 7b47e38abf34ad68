"""Make a corpus: read, describe, select, write. Equal input gives an equal version, and equal files, on any machine."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml

from infra.artifacts import finish, write_json
from infra.config import digest
from infra.errors import InputError
from infra.progress import console, track
from prompts.card import dataset_card
from prompts.clean import RULES, prompt_ids
from prompts.config import CorpusConfig
from prompts.corpus import CONFIG, REJECTS, STATS, TEXTS
from prompts.filters import describe, evaluation_keys, select
from prompts.rows import REASONS
from prompts.sources import Source, find_sources, prompts_of
from prompts.statistics import statistics

SHARD_ROWS = 250_000
_TEXT_BATCH = 65_536

ROW_SCHEMA = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("source_row", pa.int64()),
        ("licence", pa.string()),
        ("language", pa.string()),
        ("n_words", pa.int32()),
        ("cluster_size", pa.int32()),
        ("flags", pa.list_(pa.string())),
    ]
)
REJECT_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("source_row", pa.int64()),
        ("text", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def build_corpus(config: CorpusConfig, root: Path) -> Path:
    """Build the corpus of `config`, or find it built.

    Returns:
        `root/<name>/<version>/`: `data/*.parquet` (the `train` split for `datasets.load_dataset`), `README.md`,
        `stats.json`, `rejects.parquet`, `config.yaml`, `text.arrow` (for `open_corpus`) and `manifest.json`.

    Raises:
        InputError: a source is missing, unreadable or of unknown kind, or no row is left.
        UnavailableError: a data set of the Hub cannot be fetched.
        BusyError: another run is building this version.
    """
    sources = find_sources(config.sources)
    held_out = find_sources(config.evaluation_prompts)
    inputs = _inputs(config, sources, held_out)
    version = digest(inputs)[:12]
    folder = root / config.name / version
    if finish(folder, kind="corpus", inputs=inputs, build=partial(_build, config, sources, held_out, version)):
        console.print(f"corpus {config.name} {version} is in {folder}", markup=False, soft_wrap=True)
    else:
        console.print(f"corpus {config.name} {version} was there already: {folder}", markup=False, soft_wrap=True)
    return folder


def _inputs(config: CorpusConfig, sources: list[Source], held_out: list[Source]) -> dict[str, str]:
    """Digests of everything that determines the content. The corpus's name does not."""
    policy = config.model_dump(mode="json", exclude={"name", "sources", "evaluation_prompts"})
    return {
        "rules": str(RULES),
        "policy": digest(policy),
        **{f"source {index}: {source.name}": digest(source.identity()) for index, source in enumerate(sources, 1)},
        **{f"evaluation: {source.name}": digest(source.identity()) for source in held_out},
    }


def _build(
    config: CorpusConfig, sources: list[Source], held_out: list[Source], version: str, folder: Path
) -> Mapping[str, Any]:
    evaluation = evaluation_keys(prompts_of(held_out))
    described = [
        describe(batch).with_columns(source=pl.lit(source.name), licence=pl.lit(source.licence))
        for source in sources
        for batch in track(source.batches(), f"reading {source.name} (batches)")
    ]
    if not described:
        raise InputError(f"the sources hold no rows: {', '.join(source.file for source in sources)}", "add a source")
    rows = select(pl.concat(described, how="diagonal"), config, evaluation)
    del described
    stats = statistics(rows, [source.identity() for source in sources])
    kept = rows.filter(pl.col("reason").is_null())
    if kept.is_empty():
        raise InputError(
            f"no row of {len(rows)} is left: "
            + ", ".join(f"{count} {name}" for name, count in stats["refused"].items()),
            "check the sources, their text column, `min_words`, `max_words`, `languages` and `evaluation_prompts`",
        )
    ids = [f"{number:016x}" for number in prompt_ids(kept["key"])]
    kept = kept.with_columns(pl.Series("prompt_id", ids)).sort("prompt_id", "key")
    _write_rows(kept, folder)
    _write_rejects(rows.filter(pl.col("reason").is_not_null()), folder)
    write_json(folder / STATS, stats)
    resolved = {
        **config.model_dump(mode="json", exclude={"sources", "evaluation_prompts"}),
        "rules": RULES,
        "sources": [source.identity() for source in sources],
        "evaluation_prompts": [source.identity() for source in held_out],
    }
    (folder / CONFIG).write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")
    (folder / "README.md").write_text(dataset_card(config.name, version, stats, kept), encoding="utf-8")
    return {"version": version, "prompts": len(kept), "refused": stats["refused"]}


def _write_rows(kept: pl.DataFrame, folder: Path) -> None:
    """Parquet shards, and the text once more where it can be mapped into memory."""
    import pyarrow.parquet as pq

    table = kept.select(ROW_SCHEMA.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ROW_SCHEMA)
    shards = math.ceil(len(table) / SHARD_ROWS)
    (folder / "data").mkdir()
    for shard in track(range(shards), "writing shards"):
        path = folder / "data" / f"train-{shard:05d}-of-{shards:05d}.parquet"
        pq.write_table(table.slice(shard * SHARD_ROWS, SHARD_ROWS), path, compression="zstd")
    texts = table.select(["text"]).combine_chunks()
    with pa.OSFile(str(folder / TEXTS), "wb") as sink, pa.ipc.new_file(sink, texts.schema) as writer:
        writer.write_table(texts, max_chunksize=_TEXT_BATCH)


def _write_rejects(refused: pl.DataFrame, folder: Path) -> None:
    import pyarrow.parquet as pq

    assert set(refused["reason"]) <= REASONS.keys()
    table = refused.select(REJECT_SCHEMA.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(REJECT_SCHEMA)
    pq.write_table(table, folder / REJECTS, compression="zstd")
