"""`prd generate`: prompts to mesh files, with a word on where the time went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flows.destination import Destination
from infra.artifacts import sha256
from infra.config import digest
from infra.errors import InputError, MissingError, PartialError
from infra.progress import console, track
from prd.published import GENERATOR

if TYPE_CHECKING:
    from prd.inference import GeneratedObject, TextToMesh

_OBJ_TEXTURE = 1024
"""OBJ has a texture unless told otherwise: vertex colours are not part of the format."""


@dataclass(frozen=True)
class Finish:
    """What is done to each object."""

    texture: int | None = None
    """Size; 0 for vertex colours, None for what the format wants."""
    clean: bool = False
    """Drop small floating pieces."""
    faces: int | None = None
    """Reduce to so many."""
    turntable: str | None = None
    """`png`, `gif` or `mp4`, beside the mesh."""

    def texture_for(self, suffix: str) -> int | None:
        """Its size in a file with this suffix.

        Raises:
            InputError: the format holds none.
        """
        if self.texture is None:
            return _OBJ_TEXTURE if suffix == ".obj" else None
        if self.texture and suffix == ".ply":
            raise InputError("--texture does not go with PLY, which holds vertex colours", "write glb, obj or usd")
        return self.texture or None


@dataclass
class Record:
    """A line of the index."""

    file: str | None
    """None when it failed."""
    prompt: str
    seed: int
    settings: str
    """Digest of the checkpoint and of how it was made and finished."""
    vertices: int = 0
    faces: int = 0
    seconds: dict[str, float] | None = None
    warnings: tuple[str, ...] = ()
    failure: str | None = None
    turntable: str | None = None
    beside: tuple[str, ...] = ()
    """What else belongs to the mesh, e.g. its texture."""


def read_prompts(given: Sequence[str], file: str | None) -> list[str]:
    """Prompts of the command line, then those of a file: without control characters, spacing tidied.

    Raises:
        InputError: one is empty, or the file cannot be read or holds none.
    """
    import polars as pl

    from prompts.clean import tidy_texts
    from prompts.sources import load_prompts

    # Bytes that are not UTF-8 arrive as lone surrogates, which no file can hold.
    decodable = [prompt.encode(errors="replace").decode() for prompt in given]
    prompts = tidy_texts(pl.Series(decodable, dtype=pl.String)).to_list()
    if "" in prompts:
        where = "" if len(prompts) == 1 else f" {prompts.index('') + 1}"
        raise InputError(f"prompt{where} is empty", "say what to make")
    return prompts + (load_prompts(file) if file is not None else [])


def generate_files(
    checkpoint: Path,
    prompts: Sequence[str],
    seeds: Sequence[int],
    destination: Destination,
    finish: Finish,
    *,
    resolution: int | None = None,
    batch_size: int = 4,
    device: str | None = None,
    precision: Literal["fp32", "bf16"] | None = None,
) -> Iterator[Path]:
    """Write a mesh for each prompt and seed, and yield its path. One that fails does not end the rest.

    Args:
        checkpoint: folder.
        prompts: what to make; never part of a file name.
        seeds: name the noise; each prompt is made with each.
        destination: where to write. What an earlier call of the same settings left in a folder stays as it is.
        finish: what to do to each object.
        resolution: grid points along an edge; default from the checkpoint.
        batch_size: objects denoised together.
        device: default a GPU if there is one.
        precision: of the base model; default as it was trained with.

    Raises:
        InputError: a format or a device is not known, or cannot do what is asked.
        MissingError: weights are not here, or files cannot be written.
        BusyError: another call is writing to this folder.
        PartialError: at the end, when there are objects that could not be made.
    """
    finish.texture_for(destination.suffix)
    settings = digest([sha256(checkpoint / GENERATOR), resolution, precision, asdict(finish)])
    asked = {destination.path(number, seed): (text, seed) for number, text in enumerate(prompts) for seed in seeds}
    named = {path.name: ask for path, ask in asked.items()}
    destination.kept(named, settings)  # refuse what can be refused before anything is loaded

    from prd.inference import TextToMesh
    from prd.turntable import KINDS

    if finish.turntable not in (None, *KINDS):
        raise InputError(f"--turntable {finish.turntable} is not known", f"choose from {', '.join(KINDS)}")
    with destination.hold():
        lines, ours = destination.kept(named, settings), destination.files()
        missing = {path: ask for path, ask in asked.items() if path.name not in lines}
        if lines:
            console.print(f"{len(lines)} of {len(asked)} objects are there already", soft_wrap=True)
        yield from (path for path in asked if path.name in lines)
        if not missing:
            return
        console.print(f"loading {checkpoint}", markup=False, soft_wrap=True)
        pipeline = TextToMesh.from_checkpoint(checkpoint, device, precision)
        destination.write_index(lines.values())
        texts, their_seeds = zip(*missing.values(), strict=True)
        made = pipeline.generate(texts, their_seeds, resolution, batch_size)
        records, bent = [], 0
        for path, one in zip(missing, track(made, "generating", total=len(missing)), strict=True):
            for stale in ours.get(path.name, ()):  # what another call left is not of this object
                (path.parent / stale).unlink(missing_ok=True)
            record = Record(None, one.prompt, one.seed, settings, seconds=one.seconds)
            _write(one, path, finish, pipeline, record)
            records.append(record)
            bent += one.bent
            lines[path.name] = asdict(record)
            destination.append_to_index(lines[path.name])
            _tell(path.name, record)
            if record.file:
                yield path
        destination.write_index(lines[name] for name in named)  # in the order of the prompts
    _sum_up(records, bent, destination)


def _write(one: "GeneratedObject", path: Path, finish: Finish, pipeline: "TextToMesh", record: Record) -> None:
    """Finish an object, write its files, and complete its record; what fails leaves none of them."""
    from prd.cleanup import without_floaters
    from prd.decimate import decimated
    from prd.export import write_mesh
    from prd.inference import StageClock
    from prd.turntable import write_turntable

    warnings = ["its field has no surface of its own; a stand-in was written"] if one.bent else []
    if pipeline.text_encoder.is_cut(one.prompt):
        warnings.append("the prompt is too long; its end was not read")
    written: list[str] = []
    mesh, clock = one.mesh, StageClock(pipeline.device, 1, one.seconds)
    turntable = path.with_name(f"{path.stem}-turntable.{finish.turntable}") if finish.turntable else None
    try:
        if one.failure:
            raise InputError(one.failure)
        if finish.clean:
            mesh, dropped = without_floaters(mesh)
            clock.lap("clean")
            if dropped:
                warnings.append(f"{dropped} floating pieces were dropped")
        if finish.faces:
            mesh = decimated(mesh, finish.faces, one.colour_at)
            clock.lap("decimate")
            if len(mesh.faces) > finish.faces:
                warnings.append(f"its shape needs more than {finish.faces} faces")
        record.beside = tuple(write_mesh(mesh, path, finish.texture_for(path.suffix.lower()), one.colour_at))
        written = [path.name, *record.beside]
        clock.lap("export")
        if turntable:
            written.append(turntable.name)
            write_turntable(mesh, turntable, pipeline.device)
            clock.lap("turntable")
            record.turntable = turntable.name
        record.file, record.vertices, record.faces = path.name, len(mesh.vertices), len(mesh.faces)
    except (InputError, RuntimeError, MemoryError) as error:  # out of memory, and what mesh libraries raise
        record.failure = str(error).partition("\n")[0] or type(error).__name__
        record.turntable, record.beside = None, ()
        for name in written:
            (path.parent / name).unlink(missing_ok=True)
    except OSError as error:
        culprit = turntable if turntable and error.filename and Path(error.filename) == turntable else path
        raise MissingError(f"{culprit} cannot be written: {error.strerror or error}", "check the disk") from None
    record.warnings = tuple(warnings)


def _tell(name: str, record: Record) -> None:
    if record.failure:
        console.print(f"{name}: failed: {record.failure}", style="red", markup=False, soft_wrap=True)
        return
    size = f"{record.vertices} vertices, {record.faces} faces"
    console.print(f"{name}: {size}, {_times(record.seconds or {})}", markup=False, soft_wrap=True)
    for warning in record.warnings:
        console.print(f"{name}: warning: {warning}", style="yellow", markup=False, soft_wrap=True)


def _times(seconds: Mapping[str, float]) -> str:
    stages = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())
    return f"{sum(seconds.values()):.3f} s ({stages})"


def _sum_up(records: Sequence[Record], bent: int, destination: Destination) -> None:
    if len(records) > 1:
        total: dict[str, float] = {}
        for record in records:
            for stage, value in (record.seconds or {}).items():
                total[stage] = total.get(stage, 0.0) + value
        console.print(f"{len(records)} objects: {_times(total)}", markup=False, soft_wrap=True)
    if bent:
        console.print(
            f"{bent} of {len(records)} objects had no surface of their own; stand-ins were written, which say nothing "
            "about their prompts",
            style="yellow",
            soft_wrap=True,
        )
    failed = [record for record in records if record.failure]
    if failed:
        where = f"{destination.index} says why for each" if destination.index else ""
        raise PartialError(f"{len(failed)} of {len(records)} objects could not be made: {failed[0].failure}", where)
