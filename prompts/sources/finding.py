"""From what a recipe names to sources, whatever their kind."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from infra.errors import InputError
from infra.progress import console
from prompts.catalogue import resolve
from prompts.clean import normalise_texts, tidy_texts
from prompts.config import SourceConfig
from prompts.sources.files import default_name, exists, find_local, kind_by_name, read_files
from prompts.sources.source import SAMPLE, Content, Source, first_rows

_HUB = "hf://"


def find_sources(configs: Sequence[SourceConfig]) -> list[Source]:
    """The files and data sets that `configs` name, in their order, each entry as one source.

    Raises:
        InputError: one is not there, or of no known kind, or two were given the same name.
        UnavailableError: something must be fetched and cannot be.
    """
    return [find_source(config, name) for config, name in zip(configs, source_names(configs), strict=True)]


def find_source(config: SourceConfig, name: str) -> Source:
    """What `config` names, to be called `name`. Raises as `find_sources` does."""
    config = resolve(config)
    content = _find(config)
    if config.limit is not None:
        content = first_rows(content, config.limit)
    return Source(name=name, config=config, **vars(content))


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


def is_local(config: SourceConfig) -> bool:
    """Whether the path names something on this machine, there or not; samples ship and are everywhere."""
    path = resolve(config).path
    if config.kind == "web" or path.startswith(SAMPLE):
        return False
    if "://" in path:
        return path.startswith("file:")
    return exists(Path(path).expanduser()) or not _is_hub_name(config)


def load_prompts(source: str | SourceConfig) -> list[str]:
    """Prompts of an evaluation set as they were published: in their order, equal ones merged, only spacing tidied.

    Raises:
        InputError: the source cannot be read or holds no prompt.
        UnavailableError: it is on the Hub, which does not answer.
    """
    return prompts_of(find_sources([SourceConfig(path=source) if isinstance(source, str) else source]))


def prompts_of(sources: Sequence[Source]) -> list[str]:
    """`load_prompts` of sources that were found before."""
    return merged_prompts([keyed_prompts(source) for source in sources])


def keyed_prompts(source: Source) -> dict[str, str]:
    """Normalised text → prompt, the first of equal ones; raises as `load_prompts` does."""
    prompts: dict[str, str] = {}
    refused = 0
    for frame in source.batches():
        refused += frame["reason"].count()
        good = frame.filter(pl.col("reason").is_null())["text"]
        for key, text in zip(normalise_texts(good), tidy_texts(good), strict=True):
            if key:
                prompts.setdefault(key, text)
    if not prompts:
        raise InputError(f"{source.file} holds no prompt", "expected one a line, or a table with a text column")
    if refused:
        console.print(f"{source.file}: {refused} rows hold no prompt and were left out", markup=False)
    return prompts


def merged_prompts(sets: Sequence[Mapping[str, str]]) -> list[str]:
    """Prompts of several `keyed_prompts`, those of the first set first."""
    prompts: dict[str, str] = {}
    for each in sets:
        prompts |= {key: text for key, text in each.items() if key not in prompts}
    return list(prompts.values())


def _find(config: SourceConfig) -> Content:
    """Each kind is imported when it is needed."""
    path = config.path
    if config.kind == "web":
        from prompts.sources.web import read_web

        return read_web(config)
    if path.startswith(_HUB):
        from prompts.sources.hub import from_address, read_hub

        return read_hub(from_address(config))
    if "://" in path:
        from prompts.sources.cloud import read_address

        return read_address(config)
    files = find_local(path)
    if files and files[0].is_dir():
        from prompts.sources.saved import read_folder

        return read_folder(files[0], config)
    if files:
        return read_files(files, config, files[0].name if len(files) == 1 else Path(path).name)
    if _is_hub_name(config):
        from prompts.sources.hub import read_hub

        return read_hub(config)
    way_out = f"get it at {config.page} and give its path" if config.page else "check the path and its rights"
    raise InputError(f"there is no file {path}", way_out)


def _default_name(config: SourceConfig) -> str:
    """By the path alone, or what is there now: of a data set its name, of files what they are called."""
    if config.path.startswith(_HUB):
        return re.split("[@/]", config.path.removeprefix(_HUB))[2:3][0] or "hub"
    if _is_hub_name(config) and not exists(Path(config.path)):
        return config.path.rpartition("/")[2]
    return default_name(config.path)


def _is_hub_name(config: SourceConfig) -> bool:
    """Whether the path reads like `owner/name`; a folder of that name on disk goes first."""
    looks_so = config.path.count("/") == 1 and not config.path.startswith((".", "/", "~"))
    return looks_so and (config.kind in (None, "hf") or config.files is not None) and kind_by_name(config.path) is None


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
