"""From what a recipe names to rows: finding files, their kind, their digest, and reading them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

import polars as pl

from infra.artifacts import sha256
from infra.config import digest
from infra.errors import InputError
from infra.progress import console
from infra.settings import settings
from prompts import hub, lines, tables
from prompts.catalogue import resolve
from prompts.clean import normalise_texts, tidy_texts
from prompts.config import Kind, SourceConfig
from prompts.rows import frames

SAMPLES = Path(__file__).parent / "samples"
_SAMPLE = "sample:"
_SAMPLES_LICENCE = "Apache-2.0"
_WILDCARD = re.compile(r"[*?\[]")

_KINDS: dict[str, Kind] = {
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


@dataclass(frozen=True)
class Source:
    """One file or data set, found and identified, not yet read."""

    name: str
    """Unique in its corpus."""
    config: SourceConfig
    kind: Kind
    file: str
    """File name, or Hub name: without folders, which differ between machines."""
    digest: str
    """SHA-256 of the content."""
    open: Callable[[], Iterator[pl.DataFrame]]
    """Read it: tables of `rows.SCHEMA`. Raises InputError when it is not whole."""

    @property
    def licence(self) -> str:
        """As configured; samples are the project's own."""
        unstated = self.config.licence == "unknown" and self.config.path.startswith(_SAMPLE)
        return _SAMPLES_LICENCE if unstated else self.config.licence

    def identity(self) -> dict[str, Any]:
        """What determines its rows: equal on every machine."""
        return {
            "name": self.name,
            "file": self.file,
            "kind": self.kind,
            "licence": self.licence,
            "field": self.config.field,
            "key": self.config.key,
            "split": self.config.split if self.kind == "hf" else None,
            **({"files": self.config.files} if self.config.files else {}),
            "limit": self.config.limit,
            "sha256": self.digest,
        }

    def batches(self) -> Iterator[pl.DataFrame]:
        """Its rows, no more than `limit`."""
        left = self.config.limit
        for frame in self.open():
            if left is None:
                yield frame
                continue
            yield frame.head(left)
            left -= len(frame)
            if left <= 0:
                return


def find_sources(configs: Sequence[SourceConfig]) -> list[Source]:
    """The files and data sets that `configs` name, in their order, each entry as one source.

    Raises:
        InputError: one is not there, or of no known kind, or two were given the same name.
        UnavailableError: a data set of the Hub cannot be fetched.
    """
    return [find_source(config, name) for config, name in zip(configs, source_names(configs), strict=True)]


def find_source(config: SourceConfig, name: str) -> Source:
    """The file or data set that `config` names, to be called `name`. Raises as `find_sources` does."""
    config = resolve(config)
    files = _files(config)
    if not files:
        return _identify_on_hub(config, name)
    if files[0].is_dir():
        return _identify_dataset(config, files[0], name)
    kinds: list[Kind] = [_kind(path, config) for path in files]
    readers = [partial(_read, path, kind, config) for path, kind in zip(files, kinds, strict=True)]
    digests = [_digest(path) for path in files]
    whole = digests[0] if len(files) == 1 else digest(digests)
    shown = files[0].name if len(files) == 1 else Path(config.path).name
    return Source(name, config, kinds[0], shown, whole, partial(_one_after_another, readers))


def source_names(configs: Sequence[SourceConfig]) -> list[str]:
    """What marks the rows of each source: its given name or one by its path, whether or not it can be found today.

    Raises:
        InputError: two were given the same name.
    """
    configs = [resolve(config) for config in configs]
    given = Counter(config.name for config in configs if config.name)
    if repeated := [name for name, count in given.items() if count > 1]:
        raise InputError(f"two sources are named {repeated[0]!r}", "give each a name of its own")
    names, taken = [], set(given)
    for config in configs:
        name = config.name or next(n for n in _numbered(_default_name(config)) if n not in taken)
        taken.add(name)
        names.append(name)
    return names


def load_prompts(source: str | SourceConfig) -> list[str]:
    """Prompts of an evaluation set as they were published: in their order, equal ones merged, only spacing tidied.

    Raises:
        InputError: the source cannot be read or holds no prompt.
        UnavailableError: it is on the Hub, which does not answer.
    """
    return prompts_of(find_sources([SourceConfig(path=source) if isinstance(source, str) else source]))


def prompts_of(sources: Sequence[Source]) -> list[str]:
    """`load_prompts` of sources that were found before."""
    prompts: dict[str, str] = {}
    for source in sources:
        held, refused = 0, 0
        for frame in source.batches():
            refused += frame["reason"].count()
            good = frame.filter(pl.col("reason").is_null())["text"]
            for key, text in zip(normalise_texts(good), tidy_texts(good), strict=True):
                if key:
                    prompts.setdefault(key, text)
                    held += 1
        if not held:
            raise InputError(f"{source.file} holds no prompt", "expected one a line, or a table with a text column")
        if refused:
            console.print(f"{source.file}: {refused} rows hold no prompt and were left out", markup=False)
    return list(prompts.values())


def _files(config: SourceConfig) -> list[Path]:
    """Files or folder that the path names; none for a Hub name."""
    if config.path.startswith(_SAMPLE):
        return [_sample(config.path.removeprefix(_SAMPLE))]
    path = Path(config.path).expanduser()
    if _exists(path):
        return [path]
    if _WILDCARD.search(config.path):
        found = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
        if not found:
            raise InputError(f"no file matches {config.path}", "check the pattern and the folder it starts in")
        return found
    if _is_hub_name(config):
        return []
    raise InputError(f"there is no file {config.path}", "check the path and its rights")


def _sample(name: str) -> Path:
    found = {path.stem: path for path in SAMPLES.iterdir() if _suffix(path) in _KINDS}
    if name not in found:
        raise InputError(f"there is no sample {name!r}", f"samples: {', '.join(sorted(found))}")
    return found[name]


def _default_name(config: SourceConfig) -> str:
    """The stem of the file, or of the pattern: of its folder where that is all wildcard."""
    path = Path(config.path.removeprefix(_SAMPLE)).expanduser()
    if _exists(path) or not _WILDCARD.search(config.path):
        return path.name if _is_hub_name(config) and not _exists(path) else _stem(path)
    stem = _WILDCARD.split(path.name)[0].rstrip("-_.")
    folders = (folder.name for folder in path.parents if not _WILDCARD.search(folder.name))
    return stem or next(filter(None, folders), "files")


def _is_hub_name(config: SourceConfig) -> bool:
    """Whether the path reads like `owner/name`; a folder of that name on disk goes first."""
    looks_so = config.path.count("/") == 1 and not config.path.startswith((".", "/", "~"))
    return config.kind in (None, "hf") and looks_so and _suffix(Path(config.path)) not in _KINDS


def _kind(path: Path, config: SourceConfig) -> Kind:
    kind = config.kind or _KINDS.get(_suffix(path))
    if kind is not None and kind != "hf":
        return kind
    raise InputError(
        f"{path}: the kind of this file is not known",
        f"end its name with .txt if each line is a prompt, or give `kind`: {', '.join(sorted({*_KINDS.values()}))}",
    )


def _one_after_another(readers: Sequence[Callable[[], Iterator[pl.DataFrame]]]) -> Iterator[pl.DataFrame]:
    """Rows of several files, numbered through."""
    before = 0
    for read in readers:
        last = 0
        for frame in read():
            last = max(last, int(frame["source_row"].max() or 0))  # type: ignore[arg-type]
            yield frame.with_columns(pl.col("source_row") + before)
        before += last


def _identify_dataset(config: SourceConfig, folder: Path, name: str) -> Source:
    dataset = tables.open_dataset(folder, config.split)
    field = tables.text_column(dataset.features.arrow_schema, config.field, str(folder))
    # Of the text itself: the files of a folder differ between machines, their rows do not.
    content = new_sha256()
    for frame in tables.dataset_frames(dataset, field):
        content.update("\x1e".join(frame["text"].fill_null("\x00")).encode() + b"\x1d")
    return Source(name, config, "hf", folder.name, content.hexdigest(), lambda: tables.dataset_frames(dataset, field))


def _identify_on_hub(config: SourceConfig, name: str) -> Source:
    def read(path: Path) -> Iterator[pl.DataFrame]:
        return _read(path, _kind(path, config.model_copy(update={"kind": None})), config)

    rows, content = hub.fetch_rows(config, settings().snapshots, tuple(_KINDS), read)
    return Source(name, config, "hf", config.path, content, lambda: tables.read_rows(rows))


def _read(path: Path, kind: Kind, config: SourceConfig) -> Iterator[pl.DataFrame]:
    if kind == "parquet":
        return tables.read_parquet(path, config.field)
    if kind == "jsonl":
        return frames(lines.read_jsonl(path, config.field))
    if kind == "json":
        return frames(lines.read_json(path, config.field, config.key))
    if kind == "text":
        return frames(lines.read_text(path))
    return frames(lines.read_csv(path, config.field, "\t" if kind == "tsv" else ","))


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "check the path and its rights") from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be entered, a mount that is gone
        return False


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _stem(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).stem


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
