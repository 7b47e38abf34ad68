"""Files of a corpus."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from infra.progress import track
from prompts.corpus import CLUSTERS, REJECTS, TEXTS
from prompts.identifiers import as_hex
from prompts.licences import strictness
from prompts.parameters import PARAMETERS
from prompts.prepare import read_prepared
from prompts.rows import REASONS
from prompts.selection import Selection
from prompts.sources import Source
from prompts.strings import strings_of

SHARD_ROWS = 250_000
_TEXT_BATCH = 65_536
_HOLDOUT_SALT = np.uint64(0x9E3779B97F4A7C15)

_COLUMNS = {
    "prompt_id": pl.String,
    "text": pl.String,
    "subject": pl.String,
    "style": pl.String,
    "parameters": PARAMETERS,
    "source": pl.String,
    "source_row": pl.Int64,
    "licence": pl.String,
    "sources": pl.List(pl.String),
    "licences": pl.List(pl.String),
    "language": pl.String,
    "n_words": pl.Int32,
    "cluster_size": pl.Int32,
    "weight": pl.Float32,
    "flags": pl.List(pl.String),
}
"""Of every corpus; the scores of its recipe follow."""


def corpus_table(
    selection: Selection, sources: Sequence[Source], prepared: Sequence[Path], scores: Sequence[str]
) -> pl.DataFrame:
    """All prompts that stay with all their columns, sorted by `prompt_id`."""
    prompts = selection.prompts
    columns = ["text", "language", "flags", "parameters", "source_row", *(f"score_{name}" for name in scores)]
    in_order = prompts.sort("row")
    mask = pl.repeat(False, len(selection.rows), eager=True).scatter(in_order["row"], True)
    described = read_prepared(prepared, columns, mask).with_columns(in_order["row"])
    table = prompts.join(described, on="row", how="left", maintain_order="left")
    names = pl.Series([source.name for source in sources], dtype=pl.String)
    first = selection.rows["source"].gather(table["row"])
    table = table.with_columns(
        as_hex(table["id"].to_numpy()).alias("prompt_id"),
        source=names.gather(first),
        n_words=pl.col("score_n_words").cast(pl.Int32),
    )
    table = table.join(_origins(selection.rows, sources), on="id", how="left", maintain_order="left")
    return table.select("id", *(pl.col(name).cast(kind) for name, kind in _COLUMNS.items()), pl.col("^score_.*$")).drop(
        "score_n_words"
    )


def _origins(rows: pl.DataFrame, sources: Sequence[Source]) -> pl.DataFrame:
    """Of each prompt that stays all sources and licences, the licence that binds and the weight that counts."""
    licences = sorted({source.licence for source in sources}, key=lambda name: (strictness(name), name))
    names = [source.name for source in sources]
    weights = [source.config.weight for source in sources]
    step = pl.Series([licences.index(source.licence) for source in sources], dtype=pl.UInt16)
    pairs = rows.lazy().filter(pl.col("kept").is_not_null()).select(id="kept", source="source").unique()
    grouped = pairs.group_by("id").agg(pl.col("source").sort()).collect()
    # Few different sets of sources, many prompts: say what each set means once.
    sets = grouped.select(pl.col("source").unique()).to_series() if len(grouped) else grouped["source"]
    meanings = pl.DataFrame(
        {
            "source": sets,
            "sources": [[names[index] for index in each] for each in sets],
            "licences": [sorted({licences[step[index]] for index in each}) for each in sets],
            "licence": [licences[max(step[index] for index in each)] for each in sets],
            "weight": [max(weights[index] for index in each) for each in sets],
        },
        schema={
            "source": pl.List(pl.UInt16),
            "sources": pl.List(pl.String),
            "licences": pl.List(pl.String),
            "licence": pl.String,
            "weight": pl.Float32,
        },
    )
    return grouped.join(meanings, on="source", how="left").drop("source")


def content_digest(table: pl.DataFrame) -> str:
    """A digest of what a corpus holds, whatever files its rows were read from."""
    content = blake2b(digest_size=16)
    for column in (
        *(table[name] for name in ("prompt_id", "text", "source", "licence")),
        *(table[name].list.join("\x1f") for name in ("sources", "licences", "flags")),
        table["parameters"].drop_nulls().struct.json_encode(),
    ):
        strings = strings_of(column)
        content.update((strings.offsets - strings.offsets[0]).tobytes())
        content.update(strings.data[strings.offsets[0] : strings.offsets[-1]].data)
    content.update(table["cluster_size"].to_numpy().astype("<i4").tobytes())
    content.update(table["weight"].to_numpy().astype("<f4").tobytes())
    return content.hexdigest()


def write_prompts(table: pl.DataFrame, holdout: float, folder: Path) -> dict[str, int]:
    """Parquet shards of each split, and what training reads once more where it can be mapped into memory.

    Returns:
        Split → prompts.
    """
    limit = round(holdout * 2**32)
    held = (table["id"].to_numpy() * _HOLDOUT_SALT >> np.uint64(32)) < limit
    (folder / "data").mkdir()
    splits = {"train": table.filter(~held), "holdout": table.filter(held)}
    for split, rows in splits.items():
        if len(rows):
            _write_shards(rows.drop("id"), split, folder / "data")
    training = splits["train"].select("text", "cluster_size", "weight").to_arrow(compat_level=pl.CompatLevel.oldest())
    training = training.combine_chunks()
    with pa.OSFile(str(folder / TEXTS), "wb") as sink, pa.ipc.new_file(sink, training.schema) as writer:
        writer.write_table(training, max_chunksize=_TEXT_BATCH)
    return {split: len(rows) for split, rows in splits.items() if len(rows)}


def _write_shards(rows: pl.DataFrame, split: str, folder: Path) -> None:
    import pyarrow.parquet as pq

    shards = math.ceil(len(rows) / SHARD_ROWS)
    for shard in track(range(shards), f"writing {split}"):
        path = folder / f"{split}-{shard:05d}-of-{shards:05d}.parquet"
        part = rows.slice(shard * SHARD_ROWS, SHARD_ROWS).to_arrow(compat_level=pl.CompatLevel.oldest())
        pq.write_table(_plain(part), path, compression="zstd")


def write_clusters(rows: pl.DataFrame, sources: Sequence[Source], folder: Path) -> None:
    """What became of every source row: `source, source_row, prompt_id, kept_prompt_id, rule`."""
    import pyarrow.parquet as pq

    table = rows.select(
        source=_names(rows, sources),
        source_row="source_row",
        prompt_id=_hex(rows["id"]),
        kept_prompt_id=_hex(rows["kept"]),
        rule=pl.col("rule").cast(pl.Categorical),
    ).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns: Any = ["source", "rule"]  # either kind of argument is meant
    pq.write_table(_plain(table), folder / CLUSTERS, compression="zstd", use_dictionary=columns)


def write_rejects(rows: pl.DataFrame, sources: Sequence[Source], prepared: Sequence[Path], folder: Path) -> None:
    """Rows that no prompt of the corpus stands for, with their text and reason."""
    import pyarrow.parquet as pq

    mask = rows["reason"].is_not_null()
    refused = rows.filter(mask)
    assert set(refused["reason"]) <= REASONS.keys()
    texts = read_prepared(prepared, ["text"], mask)
    table = pl.concat([refused.with_columns(source=_names(refused, sources)), texts], how="horizontal").select(
        pl.col("source").cast(pl.String), "source_row", pl.col("text").cast(pl.String), "reason",
        pl.col("detail").cast(pl.String),
    )  # fmt: skip
    pq.write_table(_plain(table.to_arrow(compat_level=pl.CompatLevel.oldest())), folder / REJECTS, compression="zstd")


def _names(rows: pl.DataFrame, sources: Sequence[Source]) -> pl.Series:
    names = pl.Series([source.name for source in sources], dtype=pl.Categorical)
    return names.gather(rows["source"]).alias("source")


def _hex(ids: pl.Series) -> pl.Series:
    digits = as_hex(ids.fill_null(0).to_numpy())
    return digits if ids.null_count() == 0 else pl.select(pl.when(ids.is_not_null()).then(digits)).to_series()


def _plain(table: pa.Table) -> pa.Table:
    """With the types that every reader knows: plain strings, lists and structs."""
    return table.cast(pa.schema([field.with_type(_plain_type(field.type)) for field in table.schema]))


def _plain_type(kind: Any) -> Any:
    if pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    return kind
