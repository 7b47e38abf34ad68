"""What it costs that teachers sit elsewhere: overlap, the way there and back, and what the object store keeps.

    python -m benchmarks.teachers [--save]

Overlap: an iteration of the miniature student with three artificial teachers in Ray actors, each of which takes a known
time for a call, over the larger of what the student alone takes and what the slowest teacher alone takes. 1 is perfect;
the aim with K steps in flight is 1.15. On a GPU, `prd teachers bench --recipe sd21 teachers.mvdream.precision=bf16`
times the real ones.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.artificial import costly
from benchmarks.train_step import Elsewhere
from flows.recipe import Recipe, read_recipe
from infra.cluster import ray_session
from infra.progress import track
from infra.seeds import derive_seed
from infra.weights import resolve_weights
from prd.distill import Batch, distill
from prd.generator import TriplaneGenerator
from teachers.config import TeacherConfig
from teachers.conformance import random_request
from teachers.pool import TeacherPool
from teachers.text import TextEncoder

_PROMPTS = ("a red cube", "a blue sphere on a yellow cone")


class Student:
    """The miniature's, in this process."""

    def __init__(self, recipe: Recipe) -> None:
        base, self._config = resolve_weights(recipe.generator.base), recipe.train
        self._generator = TriplaneGenerator.untrained(base, recipe.generator, seed=0)
        self._text = TextEncoder.from_folder(base, torch.device("cpu")).encode(_PROMPTS)

    def iterate(self, teachers: TeacherPool, number: int, steps_in_flight: int) -> float:
        """Seconds of one iteration, without the optimiser."""
        batch = Batch(_PROMPTS, self._text, 0.5, derive_seed(0, "benchmark", number))
        config = self._config.model_copy(update={"max_inflight_steps": steps_in_flight})
        started = time.perf_counter()
        distill(self._generator, teachers, batch, config, torch.Tensor.backward)
        return time.perf_counter() - started

    @property
    def steps(self) -> int:
        return len(self._generator.timesteps)


def overlap(recipe: Recipe, repeats: int) -> list[list[str]]:
    """Rows of a table: what the slowest teacher takes for all its calls, steps in flight, times and their ratio."""
    student = Student(recipe)
    alone = statistics.median(student.iterate(Elsewhere(recipe), number, 1) for number in range(repeats + 1))  # type: ignore[arg-type]
    calls = 2 * student.steps  # of a teacher: each renderer, each step
    rows = [["teacher s", "student s", "in flight", "iteration s", "over the larger"]]
    for share in track((0.5, 1.0, 2.0), "overlap"):
        each = share * alone / calls
        configs = {name: costly(config, each) for name, config in recipe.teachers.items()}
        with TeacherPool.start(configs) as teachers:
            teachers.wait_ready()
            for in_flight in (1, 2, student.steps):
                times = [student.iterate(teachers, number, in_flight) for number in range(repeats + 1)][1:]
                # The student alone again, now: the machine may have become slower.
                now = student.iterate(Elsewhere(recipe), 0, 1)  # type: ignore[arg-type]
                taken, larger = statistics.median(times), max(statistics.median([alone, now]), calls * each)
                figures = (calls * each, statistics.median([alone, now]), taken, taken / larger)
                cells = [f"{value:.2f}" for value in figures]
                rows.append([cells[0], cells[1], str(in_flight), cells[2], cells[3]])
    return rows


def there_and_back(recipe: Recipe, repeats: int) -> list[list[str]]:
    """Rows of a table: a call of a teacher that does nothing, in an actor and here."""
    rows = [["pixels of", "MB there and back", "in an actor ms", "here ms"]]
    for name, config in recipe.teachers.items():
        idle = costly(config, 0.0)
        times = {}
        for where, section in (("actor", idle), ("here", idle.model_copy(update={"placement": "local"}))):
            with TeacherPool.start({name: section}) as pool:
                pool.wait_ready()
                request = random_request(pool.specs[name], _PROMPTS)
                taken = []
                for _ in range(repeats):
                    started = time.perf_counter()
                    pool.submit(name, request).result()
                    taken.append(time.perf_counter() - started)
            times[where] = statistics.median(taken[1:]) * 1e3
        size = 2 * request.pixels.nbytes / 1e6
        rows.append([name, f"{size:.2f}", f"{times['actor']:.2f}", f"{times['here']:.2f}"])
    return rows


def store_growth(config: TeacherConfig, calls: int, in_flight: int = 8) -> str:
    """Of Ray's object store over many calls."""
    with TeacherPool.start({"one": costly(config, 0.0)}) as pool:
        pool.wait_ready()
        request = random_request(pool.specs["one"], _PROMPTS)
        used = []
        for begin in range(0, calls, in_flight):
            for reply in [pool.submit("one", request) for _ in range(in_flight)]:
                reply.result()
            if begin % (calls // 5) < in_flight:
                time.sleep(0.5)  # Ray reports with a delay
                used.append(_store_in_use())
    kept = ", ".join(f"{value / 1e6:.1f}" for value in used)
    size = 2 * request.pixels.nbytes / 1e6
    return f"{calls} calls of {size:.1f} MB each, {in_flight} in flight; MB in the store after each fifth: {kept}."


def _store_in_use() -> float:
    import ray

    total, free = ray.cluster_resources(), ray.available_resources()
    return total.get("object_store_memory", 0.0) - free.get("object_store_memory", 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="timed iterations of each setting (default 5)")
    parser.add_argument("--calls", type=int, default=1000, help="for the object store (default 1000)")
    parser.add_argument("--save", action="store_true", help="write a dated file below benchmarks/results/")
    options = parser.parse_args()
    # Ray's processes import the artificial teachers.
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    torch.set_num_threads(1)
    small, full = read_recipe("miniature", []), read_recipe("sd21", [])
    with ray_session(None, 4, 400):
        sections = [
            "## Overlap\n\nMiniature student on one thread, three teachers that wait, each in an actor.",
            report.markdown(overlap(small, options.repeats)),
            "## There and back\n\nTwo prompts at the size of `sd21`.",
            report.markdown(there_and_back(full, 50)),
            "## Object store",
            store_growth(small.teachers["mvdream"], options.calls),
        ]
    report.publish("Teachers elsewhere", "teachers", torch.device("cpu"), sections, options.save, None)


if __name__ == "__main__":
    report.run_main(main)
