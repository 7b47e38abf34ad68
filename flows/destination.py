"""Where `prd generate` writes. Names are numbers: prompts are hostile text and never come near a path."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.artifacts import folder_lock, write_text
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

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder, and keep other calls out of a folder of numbered files meanwhile.

        Raises:
            BusyError: another call is writing there.
            MissingError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MissingError(f"{error.filename or self.folder}: {error.strerror}", "check --out") from None
        with nullcontext() if self.file else folder_lock(self.folder / "index"):
            yield

    def kept(self, asked: Mapping[str, tuple[str, int]], settings: str) -> dict[str, dict[str, Any]]:
        """What the folder's index already has, and will keep: file name → its line.

        Args:
            asked: file name → prompt and seed.
            settings: digest of how they are to be made; objects made otherwise are made again.

        Raises:
            InputError: the index names other objects: they stay, as it alone says what they are.
        """
        lines = self._lines()
        others = [name for name, line in lines.items() if asked.get(name) != (line["prompt"], line["seed"])]
        if others:
            raise InputError(f"{self.folder} holds other objects, e.g. {others[0]}", "give a new folder as --out")
        return {
            name: line
            for name, line in lines.items()
            if line.get("settings") == settings and all((self.folder / file).is_file() for file in files_of(line))
        }

    def write_index(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write the whole index.

        Raises:
            MissingError: it cannot be written.
        """
        if self.index is None:
            return
        try:
            write_text(self.index, "".join(map(_as_line, lines)))
        except OSError as error:
            raise MissingError(f"{self.index}: {error.strerror}", "check --out") from None

    def append_to_index(self, line: Mapping[str, Any]) -> None:
        """Note what became of one object."""
        if self.index is not None:
            with self.index.open("a", encoding="utf-8") as index:
                index.write(_as_line(line))

    def files(self) -> dict[str, list[str]]:
        """Meshes that the folder's index tells of, however they were made → their files: all that is ours there.

        Raises:
            InputError: it is no index of this command.
        """
        return {name: files_of(line) for name, line in self._lines().items()}

    def _lines(self) -> dict[str, dict[str, Any]]:
        """The index by file name, without failures. A last line that was cut short is none."""
        if self.index is None or not self.index.is_file():
            return {}
        found: dict[str, dict[str, Any]] = {}
        try:
            text = self.index.read_text(encoding="utf-8")
            for line in text.splitlines(keepends=True):
                if not line.endswith("\n"):
                    break
                entry = json.loads(line)
                if not {"file", "prompt", "seed"} <= entry.keys():
                    raise ValueError(line)
                if entry["file"] is not None:
                    found[entry["file"]] = entry
        except (OSError, ValueError, AttributeError):
            raise InputError(f"{self.index} is no index of this command", "give a new folder as --out") from None
        return found


def files_of(line: Mapping[str, Any]) -> list[str]:
    """Names of the files that a line of the index tells of."""
    return [line[key] for key in ("file", "turntable") if line.get(key)] + list(line.get("beside", ()))


def _as_line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


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
