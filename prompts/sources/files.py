"""Files on this machine: finding them, their kind, their digest, and reading them."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from infra.artifacts import sha256
from infra.config import digest
from infra.errors import InputError
from prompts.config import Kind, SourceConfig
from prompts.rows import frames
from prompts.sources import lines, tables
from prompts.sources.source import SAMPLE, Content, Shard
from prompts.sources.unpacking import PACKED

SAMPLES = Path(__file__).parents[1] / "samples"

KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".text": "text",
    ".list": "text",
}
_WILD = re.compile(r"[*?\[]")


def find_local(path: str) -> list[Path]:
    """Files, or the one folder, that a path, pattern or `sample:NAME` stands for; none when there are none.

    Raises:
        InputError: there is no such sample, or nothing matches the pattern.
    """
    if path.startswith(SAMPLE):
        return [_sample(path.removeprefix(SAMPLE))]
    place = Path(path).expanduser()
    if exists(place):
        return [place]
    if not _WILD.search(path):
        return []
    found = sorted(Path(place.anchor or ".").glob(str(place.relative_to(place.anchor))))
    if not found:
        raise InputError(f"no file matches {path}", "check the pattern and the folder it starts in")
    return found


def read_files(files: Sequence[Path], config: SourceConfig, shown: str) -> Content:
    """Files as one source, their rows numbered through.

    Args:
        shown: how the source is called in messages and on the card.
    """
    kinds: list[Kind] = [kind_of(path, config) for path in files]
    states = [_state(path) for path in files]
    digests = [_digest(path) for path in files]
    whole = digests[0] if len(files) == 1 else digest(digests)
    how = {"field": config.field, "key": config.key, "columns": config.columns}
    return Content(
        kind=kinds[0],
        file=shown,
        digest=whole,
        shards=tuple(
            Shard(
                name=path.name,
                key={"sha256": known, "kind": kind, **how},
                open=partial(_read, path, kind, config),
                verify=partial(_verify, path, state, known),
            )
            for path, kind, state, known in zip(files, kinds, states, digests, strict=True)
        ),
    )


def kind_of(path: Path, config: SourceConfig) -> Kind:
    """As configured, else as its name says.

    Raises:
        InputError: neither tells.
    """
    kind = config.kind if config.kind and config.kind != "hf" else KINDS.get(suffix(path))
    if kind is not None:
        return kind
    raise InputError(
        f"{path}: the kind of this file is not known",
        f"end its name with .txt if each line is a prompt, or give `kind`: {', '.join(sorted({*KINDS.values()}))}",
    )


def suffix(path: Path) -> str:
    """What the name says about the kind, below what it says about packing."""
    return _unpacked(path).suffix.lower()


def kind_by_name(name: str) -> Kind | None:
    """What a file's name says about its kind; None when it says nothing."""
    return KINDS.get(suffix(Path(name)))


def default_name(path: str) -> str:
    """The stem of a file, here or at an address, or of a pattern: of its folder where that is all wildcard."""
    if "://" in path:
        address = urlsplit(path)
        path = f"{address.netloc}{address.path}"
    place = Path(path.removeprefix(SAMPLE)).expanduser()
    if exists(place) or not _WILD.search(path):
        return _unpacked(place).stem
    stem = _WILD.split(place.name)[0].rstrip("-_.")
    folders = (folder.name for folder in place.parents if not _WILD.search(folder.name))
    return stem or next(filter(None, folders), "files")


def exists(path: Path) -> bool:
    """Whether there is something that can be looked at."""
    try:
        return path.exists()
    except OSError:  # a folder that may not be entered, a mount that is gone
        return False


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


def _sample(name: str) -> Path:
    found = {path.stem: path for path in SAMPLES.iterdir() if suffix(path) in KINDS}
    if name not in found:
        raise InputError(f"there is no sample {name!r}", f"samples: {', '.join(sorted(found))}")
    return found[name]


def _read(path: Path, kind: Kind, config: SourceConfig) -> Iterator[pl.DataFrame]:
    if kind == "parquet":
        return tables.read_parquet(path, config.field)
    if kind == "jsonl":
        return frames(lines.read_jsonl(path, config.field))
    if kind == "json":
        return frames(lines.read_json(path, config.field, config.key))
    if kind == "text":
        return frames(lines.read_text(path))
    return frames(lines.read_csv(path, config.field, "\t" if kind == "tsv" else ",", config.columns))


def _verify(path: Path, state: tuple[int, ...], known: str) -> None:
    if _state(path) != state and _digest(path) != known:
        raise InputError(f"{path} changed while it was read", "build again when nobody writes to it")


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read: {error.strerror or error}", "check the path and its rights")
