"""Our build and other tools on one file of prompts, each in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.dedup import peers
from benchmarks.dedup.measuring import Cost, run


class Build(NamedTuple):
    """A corpus as its users build it."""

    cost: Cost
    clusters: pl.DataFrame
    """Its `clusters.parquet`."""
    home: Path
    """`PRD_HOME`."""


class Other(NamedTuple):
    """What another tool made of the prompts."""

    name: str
    cost: Cost | None
    kept: pl.Series | None
    """For each row the row (from 1) that stands for it."""
    missing: str
    """Why there is nothing."""


def build(prompts: Path, scratch: Path, *overrides: str) -> Build:
    """`prd corpus build` of one source, no evaluation prompts kept out, in a new home below `scratch`.

    A first build of a few prompts has the kernels compiled, as they are after the first use on a machine.
    """
    few = scratch / "few.parquet"
    pl.scan_parquet(prompts).head(2000).sink_parquet(few)
    for file, home in ((few, scratch / "first"), (prompts, scratch / "home")):
        sources = f"corpus.sources=[{{path: '{file}'}}]"
        cost = _prd_corpus(home, "build", "corpus.evaluation_prompts=[]", sources, *overrides)
    (clusters,) = (scratch / "home" / "corpora" / "bench").glob("*/clusters.parquet")
    return Build(cost, pl.read_parquet(clusters), scratch / "home")


def add(built: Build, prompts: Path) -> Cost:
    """`prd corpus add` of a second source to what was built."""
    return _prd_corpus(built.home, "add", str(prompts))


def _prd_corpus(home: Path, *arguments: str) -> Cost:
    command = [sys.executable, "-m", "flows.cli", "corpus", *arguments, "corpus.name=bench"]
    return run(command, {"PRD_HOME": str(home), "HF_HUB_OFFLINE": "1"}, f"prd corpus {arguments[0]}")


def find_near_alone(prompts: Path) -> float:
    """CPU seconds of our near-duplicate search alone, kernels loaded."""
    from prompts.clean import clean_texts
    from prompts.dedup.clusters import cluster
    from prompts.dedup.near import find_near_duplicates
    from prompts.normalise import normalise_texts

    texts = clean_texts(pl.read_parquet(prompts)["text"])["text"]
    distinct = texts.filter(normalise_texts(texts).is_first_distinct())
    find_near_duplicates(distinct[:1000])
    begin = time.process_time()
    cluster(find_near_duplicates(distinct).pairs, len(distinct))
    return time.process_time() - begin


def run_peers(python: str, only: Sequence[str], prompts: Path, raw: bool, scratch: Path) -> list[Other]:
    """Every tool that is installed, one after the other.

    Args:
        python: of the environment that has the tools.
        only: words of the names of those wanted; all without.
        prompts: Parquet with a column `text`.
        raw: they read the texts as they are; else what our cleaning makes of them, each normalised text once.
        scratch: folder for files between.
    """
    texts = pl.read_parquet(prompts)["text"]
    keys = texts if raw else _normalised(texts)
    table = keys.to_frame("text").with_row_index("row", offset=1).filter(pl.col("text") != "")
    read = table if raw else table.unique("text", keep="first", maintain_order=True)
    read.select("text").write_parquet(scratch / "in.parquet")
    names = [name for name in peers.PEERS if not only or any(word in name for word in only)]
    return [_run_peer(python, name, keys, read, scratch, raw) for name in names]


def _normalised(texts: pl.Series) -> pl.Series:
    from prompts.clean import clean_texts
    from prompts.normalise import normalise_texts

    return normalise_texts(clean_texts(texts)["text"])


def _run_peer(python: str, name: str, keys: pl.Series, read: pl.DataFrame, scratch: Path, raw: bool) -> Other:
    package = peers.PEERS[name].package
    for needed in (package, "polars"):
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({needed!r}) is None)"
        if subprocess.run([python, "-c", look], cwd=scratch).returncode:
            return Other(name, None, None, f"{needed} is not installed")
    result = scratch / "kept.parquet"
    cost = run([python, peers.__file__, name, str(scratch / "in.parquet"), str(result)], {}, name)
    kept = read.with_columns(kept=read["row"].gather(pl.read_parquet(result)["kept"]))
    every = keys.to_frame("text").with_row_index("row", offset=1)
    rows = every.join(kept.select("row" if raw else "text", "kept"), on="row" if raw else "text", how="left")
    return Other(name, cost, rows.sort("row")["kept"], "")
