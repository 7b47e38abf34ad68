"""Where `prd generate` writes. Names are numbers: prompts are hostile text and never come near a path."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.errors import InputError, MissingError


@dataclass(frozen=True)
class Destination:
    """A file, or a folder of numbered files with an index."""

    folder: Path
    suffix: str
    """Of the meshes, e.g. `.glb`."""
    file: Path | None = None
    """The only one; None for numbered ones."""
    name_seeds: bool = False

    @property
    def index(self) -> Path | None:
        """One JSON line an object, for folders."""
        return None if self.file else self.folder / "index.jsonl"

    def path(self, number: int, seed: int) -> Path:
        """The file of prompt `number`: `0000.glb`, or `0000-seed-42.glb` where there are several seeds."""
        return self.file or self.folder / f"{number:04d}{f'-seed-{seed}' if self.name_seeds else ''}{self.suffix}"

    def refuse_others(self, asked: Mapping[str, list]) -> None:
        """Keep the objects of another call: their index alone says what they are.

        Args:
            asked: file name → prompt and seed.

        Raises:
            InputError: the folder's index names other objects.
        """
        if self.index is None or not self.index.is_file():
            return
        try:
            lines = [json.loads(line) for line in self.index.read_text(encoding="utf-8").splitlines()]
            others = [line["file"] for line in lines if asked.get(line["file"]) != [line["prompt"], line["seed"]]]
        except (OSError, ValueError, KeyError, TypeError):
            others = [self.index.name]
        if others := [name for name in others if name is not None]:
            raise InputError(f"{self.folder} holds other objects, e.g. {others[0]}", "give a new folder as --out")

    def prepare(self) -> None:
        """Make the folder and begin the index.

        Raises:
            MissingError: it cannot be.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.index:
                self.index.write_text("")
        except OSError as error:
            raise MissingError(f"{error.filename or self.folder}: {error.strerror}", "check --out") from None


def destination_for(out: Path | None, kind: str | None, *, prompts: int, seeds: int) -> Destination:
    """What `--out` and `--format` mean.

    Args:
        out: a file when it ends with the suffix of a format, else a folder; default `mesh.glb`, for several objects
            the folder `meshes`.
        kind: a suffix without its dot; default that of a file, else `glb`.
        prompts: how many there are.
        seeds: of each prompt.

    Raises:
        InputError: a format that is not known, or one file for several objects.
    """
    from prd.export import SUFFIXES

    known = ", ".join(SUFFIXES)
    suffix = f".{(kind or 'glb').lower().removeprefix('.')}"
    if suffix not in SUFFIXES:
        raise InputError(f"--format {kind} is not known", f"choose from {known.replace('.', '')}")
    several = prompts * seeds > 1
    if out is None:
        out = Path("meshes") if several else Path(f"mesh{suffix}")
    if out.is_dir() or not out.suffix:
        return Destination(out, suffix, name_seeds=seeds > 1)
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"--out {out} is of no known format",
            f"end it with one of {known}; for a folder of this name, make it first",
        )
    if several:
        raise InputError(f"--out {out} is one file for {prompts * seeds} objects", "give a folder, and --format")
    if kind and suffix != out.suffix.lower():
        raise InputError(f"--out {out} and --format {kind} say two things", "leave --format out")
    return Destination(out.parent, out.suffix.lower(), file=out)
