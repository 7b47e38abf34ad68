"""What the benchmarks share: options, tables, peak memory and dated files of results."""

import argparse
import platform
import resource
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.roofline import Peak, Work, synchronise
from infra.errors import PRDError

RESULTS = Path(__file__).parent / "results"


def options(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="of the recipe, e.g. generator.precision=fp32"
    )
    parser.add_argument("--size", choices=("full", "miniature"), default="full", help="default: full")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs (default 5)")
    parser.add_argument(
        "--warm-up",
        type=int,
        default=2,
        help="runs before; operations are counted in the first run, so with 0 it is timed and counted at once: right "
        "for a slow device, where counting costs nothing (default 2)",
    )
    parser.add_argument("--profile", action="store_true", help="also list the operations that take most of one run")
    parser.add_argument("--save", action="store_true", help="write a dated file below benchmarks/results/")
    return parser


def best_device() -> torch.device:
    """The GPU where there is one; CUDA_VISIBLE_DEVICES= hides it."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def stage_table(runs: Sequence[Mapping[str, float]], work: Mapping[str, Work], peak: Peak, unit: str) -> str:
    """Seconds of each run by stage, with the work of one run, as a table in Markdown; the total comes last."""
    names = dict.fromkeys(name for run in runs for name in run)
    rows = [[unit, "best ms", "median ms", "TFLOP", "GB", "bound ms", "median / bound"]]
    bound = 0.0
    for name in names:
        stage = work.get(name, Work())
        bound += peak.seconds(stage)
        rows.append(_row(name, [run.get(name, 0.0) for run in runs], stage, peak.seconds(stage)))
    total = Work()
    for stage in work.values():
        total.flops += stage.flops
        total.operands += stage.bytes
    rows.append(_row("total", [sum(run.values()) for run in runs], total, bound))
    return markdown(rows)


class Memory:
    """Gigabytes at rest, when it is made, and at most."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            synchronise(device)
            torch.cuda.reset_peak_memory_stats(device)
            self._at_rest = torch.cuda.memory_allocated(device) / 1e9

    def __str__(self) -> str:
        if self._device.type == "cuda":
            highest = torch.cuda.max_memory_allocated(self._device) / 1e9
            return (
                f"Memory of the GPU: at most {highest:.2f} GB allocated, {self._at_rest:.2f} GB before the first run."
            )
        unit = 1 if sys.platform == "darwin" else 1024
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
        return f"Memory: at most {resident:.2f} GB resident in the process, its start included."


def profile(run: Callable[[], object], device: torch.device) -> str:
    """The operations that take most of one run, as a block in Markdown."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    cuda = device.type == "cuda"
    with record(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as profiler:
        run()
    order = "self_device_time_total" if cuda else "self_cpu_time_total"
    listing = profiler.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60)
    return f"```\n{listing}```"


def publish(
    title: str,
    name: str,
    device: torch.device,
    sections: Sequence[str],
    save: bool,
    arguments: Sequence[str] | None,
) -> None:
    """Print a report and, if wanted, keep it as `results/<date>-<name>-<kind of device>.md`."""
    command = " ".join(["python -m", f"benchmarks.{name}", *(sys.argv[1:] if arguments is None else arguments)])
    text = "\n\n".join([f"# {title}, {date.today()}", f"{_hardware(device)}\n`{command}`", *sections]) + "\n"
    print(text)
    if save:
        path = RESULTS / f"{date.today()}-{name.replace('_', '-')}-{device.type}.md"
        path.write_text(text, encoding="utf-8")
        print(f"written to {path}")


def run_main(main: Callable[[], None]) -> None:
    """Run a benchmark; errors of its user come as one line."""
    try:
        main()
    except PRDError as error:
        sys.exit(f"error: {error}")


def _hardware(device: torch.device) -> str:
    where = f"{torch.get_num_threads()} threads of {_processor()}"
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        where = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}; {where}"
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "diffusers", "transformers"))
    return f"Hardware: {where}; Python {platform.python_version()}, {versions}."


def _processor() -> str:
    details = Path("/proc/cpuinfo")
    lines = details.read_text(encoding="utf-8").splitlines() if details.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _row(name: str, seconds: list[float], work: Work, bound: float) -> list[str]:
    best, median = min(seconds), statistics.median(seconds)
    ratio = f"{median / bound:.1f}" if bound else ""
    counted = [f"{work.flops.total() / 1e12:.3g}", f"{work.bytes / 1e9:.3g}", f"{bound * 1e3:.3g}"]
    return [name, f"{best * 1e3:.1f}", f"{median * 1e3:.1f}", *(counted if bound else ["", "", ""]), ratio]


def markdown(rows: list[list[str]]) -> str:
    """A table, its first row the titles; all columns but the first are numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in (rows[0], rule, *rows[1:])
    )
