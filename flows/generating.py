"""`prd generate`: prompts to mesh files, with a word on where the time went."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.errors import InputError
from infra.progress import console, track


def generate_files(
    checkpoint: Path, prompts: Sequence[str], out: Path, *, seed: int, resolution: int | None, texture: int | None
) -> Iterator[Path]:
    """Write a mesh for each prompt and yield its path.

    Args:
        checkpoint: folder.
        prompts: what to make; never part of a file name.
        out: a file whose suffix names the format; for several prompts a folder, filled with `0000.glb`, ….
        seed: names the noise.
        resolution: grid points along an edge; default from the checkpoint.
        texture: size of a square texture; None writes vertex colours.

    Raises:
        InputError: `out` has another suffix.
    """
    from prd.export import SUFFIXES, write_mesh

    if out.suffix not in SUFFIXES and (out.suffix or len(prompts) == 1):
        raise InputError(f"--out {out} is of no known format", f"end it with one of {', '.join(SUFFIXES)}")
    if out.suffix and len(prompts) > 1:
        raise InputError(f"--out {out} is one file for {len(prompts)} prompts", "give a folder")

    from prd.inference import TextToMesh

    pipeline = TextToMesh.from_checkpoint(checkpoint)
    total: dict[str, float] = {}
    made = pipeline.generate(prompts, seed=seed, surface_resolution=resolution)
    for index, one in enumerate(track(made, "generating", total=len(prompts))):
        path = out if out.suffix else out / f"{index:04d}.glb"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mesh(one.mesh, path, texture_size=texture, colour_at=one.colour_at)
        for name, seconds in one.seconds.items():
            total[name] = total.get(name, 0.0) + seconds
        yield path
    console.print(", ".join(f"{name} {seconds:.2f} s" for name, seconds in total.items()))
