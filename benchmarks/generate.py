"""Text to mesh at Stable Diffusion 2.1's size with random weights: time by stage, memory, and the arithmetic bound.

    python -m benchmarks.generate                                       on a GPU: seconds a run
    python -m benchmarks.generate --repeats 1 --warm-up 0 --batches 1   on a CPU: minutes
    python -m benchmarks.generate --size miniature                      a trial

To compare with: 0.15 s a mesh at 128³ on one H100 is the aim; the paper reports 1.23 s on an H20.
"""

import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import prd.inference
from benchmarks import report
from benchmarks.full_size import local_recipe, random_student, random_weights, write_folders
from benchmarks.roofline import Peak, Work, device_peak
from benchmarks.stages import REST, Stages
from infra.weights import resolve_weights
from prd.export import write_mesh
from prd.fields import TriplaneFields
from prd.inference import GeneratedObject, TextToMesh
from teachers.text import TextEncoder


def main(arguments: list[str] | None = None) -> None:
    parser = report.options(__doc__ or "")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="prompts at once (default 1 and 4)")
    parser.add_argument("--resolution", type=int, nargs="+", default=[128], help="of the surface (default 128)")
    options = parser.parse_intermixed_args(arguments)
    device = report.best_device()
    with tempfile.TemporaryDirectory() as folder:
        write_folders(Path(folder))
        recipe = local_recipe(options.size, Path(folder), options.overrides)
        student = random_student(recipe, device)
        with random_weights(device):
            text_encoder = TextEncoder.from_folder(resolve_weights(recipe.generator.base), device)
        maker = TextToMesh(student, text_encoder)
        peak = device_peak(device)
        setting = (
            f"Size {options.size}, {recipe.generator.steps} steps, base model in {recipe.generator.precision}, GLB "
            f"with vertex colours. Times and work are those of one object.\nBound: {peak}."
        )
        sections = [setting]
        for resolution in options.resolution:
            for batch in options.batches:
                sections += _measure(maker, batch, resolution, peak, options, Path(folder))
    report.publish("Text to mesh", "generate", device, sections, options.save, arguments)


def _measure(maker: TextToMesh, batch: int, resolution: int, peak: Peak, options: Namespace, folder: Path) -> list[str]:
    stages, runs, made = Stages(maker.device), [], []
    memory = report.Memory(maker.device)
    for turn in range(options.warm_up + options.repeats):
        # New ones each time: none is remembered.
        prompts = [f"a wooden chair, {resolution} {turn} {index}" for index in range(batch)]
        with ExitStack() as watches:
            if turn == 0:
                watches.enter_context(_watched(maker, stages))
                watches.enter_context(stages.counted())
            started = time.perf_counter()
            made = list(maker.generate(prompts, surface_resolution=resolution, batch_size=batch))
            elapsed = time.perf_counter() - started
        seconds = _seconds(made)
        seconds[REST] = elapsed / batch - sum(seconds.values())
        started = time.perf_counter()
        for index, one in enumerate(one for one in made if not one.failure):
            write_mesh(one.mesh, folder / f"{index}.glb")
        seconds["export"] = (time.perf_counter() - started) / batch
        if turn >= options.warm_up:
            runs.append(seconds)
    work = {name: _share(stage, batch) for name, stage in stages.work.items()}
    faces = sum(len(one.mesh.faces) for one in made) // batch
    failed = f" {sum(bool(one.failure) for one in made)} of {batch} failed." if any(one.failure for one in made) else ""
    sections = [
        f"## {batch} at once, {resolution}³",
        report.stage_table(runs, work, peak, "stage"),
        f"{faces} faces an object.{failed} {memory}",
    ]
    if options.profile:
        new = [f"a wooden table {index}" for index in range(batch)]
        sections.append(
            report.profile(
                lambda: list(maker.generate(new, surface_resolution=resolution, batch_size=batch)), maker.device
            )
        )
    return sections


@contextmanager
def _watched(maker: TextToMesh, stages: Stages) -> Iterator[None]:
    """Counts the work of the stages that `TextToMesh` itself times."""
    with ExitStack() as watches:
        for owner, attribute, stage in (
            (maker.text_encoder, "encode", "encode"),
            (maker.generator, "denoise", "denoise"),
            (maker.generator, "decode", "decode"),
            (TriplaneFields, "sdf_and_deformation", "field"),
            (prd.inference, "extract_surface", "surface"),
            (TriplaneFields, "colour", "colour"),
        ):
            watches.enter_context(stages.watch(owner, attribute, stage))
        yield


def _seconds(made: list[GeneratedObject]) -> dict[str, float]:
    """Of an object, on average."""
    names = dict.fromkeys(name for one in made for name in one.seconds)  # a failed object has fewer
    return {name: sum(one.seconds.get(name, 0.0) for one in made) / len(made) for name in names}


def _share(work: Work, batch: int) -> Work:
    flops = {kind: count // batch for kind, count in work.flops.items()}
    return Work(type(work.flops)(flops), work.operands // batch, work.passed // batch)


if __name__ == "__main__":
    report.run_main(main)
