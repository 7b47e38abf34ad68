"""How well and how fast short prompts are deduplicated, against a known truth and beside other tools.

    python -m benchmarks.dedup                                 200,000 rows, our build alone
    python -m benchmarks.dedup --peers PEERS/bin/python        beside other tools in an environment of their own
    python -m benchmarks.dedup --texts real.txt other.json     real prompts among the composed ones
    python -m benchmarks.dedup --scale 200000,1600000,6400000  seconds and memory of our build as it grows

The environment of the peers: `python -m venv PEERS && PEERS/bin/pip install -r benchmarks/dedup/requirements.txt`.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path

import polars as pl
import torch

from benchmarks.dedup import corpus
from benchmarks.dedup.charting import growth_chart
from benchmarks.dedup.comparing import add, build, find_near_alone, run_peers
from benchmarks.dedup.measuring import Cost
from benchmarks.dedup.score import Score, kept_rows, score
from benchmarks.report import RESULTS, markdown, publish, run_main
from prompts.sources import load_prompts

SAMPLES = ("captions.csv", "languages.json", "solids.txt")
"""Real prompts that are always mixed in."""

GENERATOR = ("corpus.py", "composing.py", "changes.py", "negatives.py", "wrapping.py", "words.py", "vocabulary.yaml")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = _parser().parse_args(arguments)
    sections: list[str] = []
    if options.rows:
        sections += _compare(options)
    if options.scale:
        sections += _grow(options)
    publish("Deduplication of short prompts", "dedup", torch.device("cpu"), sections, options.save, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="of the comparison; 0 for none (default 200000)")
    parser.add_argument("--seed", type=int, default=1, help="of the corpus (default 1)")
    parser.add_argument("--texts", nargs="+", default=[], metavar="FILE", help="real prompts to mix in")
    parser.add_argument(
        "--peers", nargs="?", const=sys.executable, metavar="PYTHON", help="compare; PYTHON has the tools installed"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="peers whose name has one of the words")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="peers read the prompts as they are, with wrappers; else after our cleaning and exact deduplication",
    )
    parser.add_argument("--scale", type=_sizes, default=[], metavar="ROWS,ROWS…", help="also build corpora of so many")
    parser.add_argument("--save", action="store_true", help="write a dated file below benchmarks/results/")
    return parser


def _sizes(text: str) -> list[int]:
    return [int(part) for part in text.replace("_", "").split(",")]


def _generate(rows: int, options: argparse.Namespace, seed: int) -> tuple[Path, Path]:
    """Prompts and truth, made once and kept in the temporary folder of the machine."""
    samples = Path(corpus.__file__).parents[2] / "prompts" / "samples"
    files = [*(samples / name for name in SAMPLES), *map(Path, options.texts)]
    # Another generator or other texts make another corpus.
    parts = [Path(corpus.__file__).with_name(name) for name in GENERATOR]
    read = b"\0".join(file.read_bytes() for file in (*parts, *files))
    version = blake2b(read, digest_size=6).hexdigest()
    folder = Path(tempfile.gettempdir(), f"prompts-to-deduplicate-{rows}-{seed}-{version}")
    if not folder.is_dir():
        new = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
        texts = [text for file in files for text in load_prompts(str(file))]
        corpus.write(corpus.Corpus(rows, seed, texts), new / "prompts.parquet", new / "truth.parquet")
        try:
            new.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(new)
    return folder / "prompts.parquet", folder / "truth.parquet"


def _compare(options: argparse.Namespace) -> list[str]:
    prompts, truth = _generate(options.rows, options, options.seed)
    with tempfile.TemporaryDirectory(prefix="dedup-") as scratch:
        ours = build(prompts, Path(scratch))
        found = score(pl.read_parquet(truth), kept_rows(ours.clusters))
        near = find_near_alone(prompts)
        others = run_peers(options.peers, options.only, prompts, options.raw, Path(scratch)) if options.peers else []
    scores = {other.name: score(pl.read_parquet(truth), other.kept) for other in others if other.kept is not None}
    rows = [[*_line("prd corpus build, everything", found, ours.cost), "", ""]]
    for other in others:
        if other.name not in scores or other.cost is None:
            rows.append([f"{other.name}: {other.missing}", *[""] * 10])
            continue
        ratios = [f"{other.cost.cpu / near:.1f}", f"{other.cost.cpu / ours.cost.cpu:.2f}"]
        rows.append([*_line(other.name, scores[other.name], other.cost), *ratios])
    head = ["tool", "recall", "precision", "lost", "hard negatives merged", "refused", "CPU s", "wall s", "GB"]
    head += ["CPU / our near stage", "CPU / our whole build"]
    clusters = pl.scan_parquet(truth).select(pl.col("cluster").n_unique()).collect().item()
    read = "the rows as they are" if options.raw else "the rows after our cleaning and exact deduplication"
    about = (
        f"{options.rows:,} rows, {clusters:,} distinct prompts, {corpus.WRAPPED:.0%} of the rows in platform wrappers. "
        f"Our near-duplicate stage alone takes {near:.2f} CPU seconds. Other tools get {read}."
    )
    return [about, markdown([head, *rows]), *_kinds(found, list(scores.values()))]


def _line(name: str, found: Score, cost: Cost) -> list[str]:
    shares = [f"{found.recall:.3f}", f"{found.precision:.3f}", f"{found.lost:.2%}", f"{found.hard_merged:.2%}"]
    return [name, *shares, f"{found.refused:.2%}", f"{cost.cpu:.1f}", f"{cost.wall:.1f}", f"{cost.gigabytes:.2f}"]


def _kinds(found: Score, others: list[Score]) -> list[str]:
    tables = []
    for title, name, best in (
        ("duplicate, found", "by_kind", max),
        ("hard negative, merged", "hard_by_kind", min),
    ):
        rows = [[title, "prd", *(["best of the others"] if others else [])]]
        for kind, share in getattr(found, name).items():
            best_share = [f"{best(getattr(one, name).get(kind, 0.0) for one in others):.3f}"] if others else []
            rows.append([kind, f"{share:.3f}", *best_share])
        tables.append(markdown(rows))
    return tables


def _grow(options: argparse.Namespace) -> list[str]:
    rows = [["rows", "memory_gb", "wall s", "CPU s", "GB", "GB but for files", "microseconds of CPU a row"]]
    rows[0].append(f"adding {_ADDED:,} rows: wall s")
    more, _ = _generate(_ADDED, options, options.seed + 1)
    costs = []
    for count in options.scale:
        prompts, _ = _generate(count, options, options.seed)
        for memory in _MEMORY if count == max(options.scale) else _MEMORY[:1]:
            with tempfile.TemporaryDirectory(prefix="dedup-") as scratch:
                built = build(prompts, Path(scratch), f"corpus.memory_gb={memory}")
                cost, added = built.cost, add(built, more)
            rows.append([f"{count:,}", memory, f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.gigabytes:.2f}"])
            rows[-1] += [f"{cost.own_gigabytes:.2f}", f"{cost.cpu / count * 1e6:.1f}", f"{added.wall:.1f}"]
            if memory == _MEMORY[0]:
                costs.append((count, cost))
    sections = ["Growth of a whole build and of an addition, start of the program included:", markdown(rows)]
    if options.save:
        picture = RESULTS / f"{date.today()}-dedup-growth.svg"
        picture.write_text(growth_chart(costs), encoding="utf-8")
        sections.append(f"![growth]({picture.name})")
    return sections


_ADDED = 20_000
"""Rows of a second source."""
_MEMORY = ("2.0", "0.2")
"""Settings; all but the first only for the largest corpus."""


if __name__ == "__main__":
    run_main(main)
