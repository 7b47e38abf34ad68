"""`python -m benchmarks.dedup`: recall, precision, what is lost, seconds and memory, beside other tools.

Peers run in an environment of their own: `python -m venv PEERS && PEERS/bin/pip install -r
benchmarks/dedup/requirements.txt`, then `--peers PEERS/bin/python`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from benchmarks.dedup import peers, planted
from benchmarks.dedup.score import Score, kept_rows, score
from benchmarks.report import markdown, publish, run_main
from prompts.clean import clean_texts, normalise_texts
from prompts.sources import load_prompts


class Cost(NamedTuple):
    """Of a child process."""

    wall: float
    cpu: float
    gigabytes: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", nargs="*", default=[], help="files of real prompts to mix in")
    parser.add_argument("--peers", metavar="PYTHON", help="of an environment that has the peers")
    parser.add_argument("--scale", type=int, nargs="*", default=[], help="also build corpora of so many rows")
    parser.add_argument("--save", action="store_true", help="write a dated file below benchmarks/results/")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dedup-") as scratch:
        sections = _compare(options, Path(scratch))
        if options.scale:
            sections += _grow(options, Path(scratch))
    publish("Deduplication of short prompts", "dedup", torch.device("cpu"), sections, options.save, arguments)


def _compare(options: argparse.Namespace, scratch: Path) -> list[str]:
    texts = [text for name in options.texts for text in load_prompts(name)]
    prompts, path = planted.write(options.rows, options.seed, scratch, texts)
    truth = pl.read_parquet(path)
    build = [sys.executable, "-m", "flows.cli", "corpus", "build", "corpus.name=bench", "corpus.evaluation_prompts=[]"]
    build += [f"corpus.sources=[{{path: '{prompts}'}}]"]
    _run(build, scratch / "warm", limit=True)
    cost = _run(build, scratch / "home")
    (clusters,) = (scratch / "home" / "corpora" / "bench").glob("*/clusters.parquet")
    ours = score(truth, kept_rows(pl.read_parquet(clusters)))
    near = _near_alone(prompts)
    rows = [_line("prd corpus build, everything", ours, cost, None)]
    if options.peers:
        keys = normalise_texts(clean_texts(pl.read_parquet(prompts)["text"])["text"])
        distinct = (
            keys.to_frame("text").with_row_index("row", offset=1).unique("text", keep="first", maintain_order=True)
        )
        distinct.select("text").write_parquet(scratch / "keys.parquet")
        for name in peers.PEERS:
            rows.append(_peer(options.peers, name, truth, keys, distinct, scratch, near))
    head = ["tool", "recall", "precision", "lost", "hard negatives merged", "CPU s", "wall s", "GB"]
    head.append("CPU / ours near stage")
    kinds = [["kind of near-duplicate", "found"], *([kind, f"{share:.3f}"] for kind, share in ours.by_kind.items())]
    about = (
        f"{options.rows:,} rows, {truth['cluster'].n_unique():,} distinct prompts, 40 % in platform wrappers. Peers "
        "get the same rows after our cleaning and exact deduplication; our near-duplicate stage alone takes "
        f"{near:.2f} CPU seconds."
    )
    return [about, markdown([head, *rows]), markdown(kinds)]


def _near_alone(prompts: Path) -> float:
    """CPU seconds of the near-duplicate search alone, kernels loaded."""
    from prompts.dedup.clusters import cluster
    from prompts.dedup.near import find_near_duplicates

    texts = clean_texts(pl.read_parquet(prompts)["text"])["text"]
    distinct = texts.filter(normalise_texts(texts).is_first_distinct())
    find_near_duplicates(distinct[:1000])
    begin = time.process_time()
    cluster(find_near_duplicates(distinct).pairs, len(distinct))
    return time.process_time() - begin


def _peer(
    python: str, name: str, truth: pl.DataFrame, keys: pl.Series, distinct: pl.DataFrame, scratch: Path, near: float
) -> list[str]:
    package, _ = peers.PEERS[name]
    if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode:
        return [f"{name}: not installed", *[""] * 8]
    cost = _run([python, peers.__file__, name, str(scratch / "keys.parquet"), str(scratch / "kept.parquet")], scratch)
    kept = pl.read_parquet(scratch / "kept.parquet")["kept"]
    table = distinct.select("text", kept=distinct["row"].gather(kept))
    rows = keys.to_frame("text").join(table, on="text", how="left", maintain_order="left")["kept"]
    return _line(name, score(truth, rows), cost, near)


def _grow(options: argparse.Namespace, scratch: Path) -> list[str]:
    rows = [["rows", "wall s", "CPU s", "GB", "microseconds of CPU a row"]]
    for count in options.scale:
        prompts, _ = planted.write(count, options.seed, scratch / str(count))
        build = [sys.executable, "-m", "flows.cli", "corpus", "build", "corpus.name=bench"]
        cost = _run([*build, f"corpus.sources=[{{path: '{prompts}'}}]"], scratch / f"home-{count}")
        rows.append([f"{count:,}", f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.gigabytes:.2f}"])
        rows[-1].append(f"{cost.cpu / count * 1e6:.1f}")
    return ["Growth of a whole build, start of the program included:", markdown(rows)]


def _run(command: list[str], home: Path, limit: bool = False) -> Cost:
    """Run a child to its end. With `limit` only to have its kernels compiled, on a few rows."""
    if limit:
        command = [part.replace("}]", ", limit: 500}]") for part in command]
    environment = {**os.environ, "PRD_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    begin = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} failed:\n{errors[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e9)


def _line(name: str, found: Score, cost: Cost, near: float | None) -> list[str]:
    shares = [f"{found.recall:.3f}", f"{found.precision:.3f}", f"{found.lost:.2%}", f"{found.hard_merged:.2%}"]
    ratio = f"{cost.cpu / near:.1f}" if near else ""
    return [name, *shares, f"{cost.cpu:.1f}", f"{cost.wall:.1f}", f"{cost.gigabytes:.2f}", ratio]


if __name__ == "__main__":
    run_main(main)
