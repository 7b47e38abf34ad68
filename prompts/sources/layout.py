"""Which files of a published data set hold the wanted split: as its card says, else as their names do."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from infra.errors import InputError
from prompts.config import SourceConfig
from prompts.sources.files import KINDS, suffix

_SPLITS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "eval", "evaluation"},
}
_PREFERRED = ("parquet", "jsonl", "csv", "tsv", "json", "text")
"""Of kinds that stand side by side: they hold the same rows."""
_NO_DATA = re.compile(r"(^|/)(\.|readme|licen[cs]e|requirements|notice|dataset_infos?\.|dataset_dict\.|state\.)", re.I)


def choose_files(names: Sequence[str], card: Mapping[str, Any], config: SourceConfig) -> list[str]:
    """Files of `config.split`, sorted.

    Args:
        names: all files of the repository.
        card: the card's header.
        config: its `files`, a pattern over whole names, decides alone.

    Raises:
        InputError: no file fits, or the data set has several parts and nothing says which is meant.
    """
    data = [name for name in sorted(names) if _is_data(name, config)]
    if config.files is not None:
        return _some(
            [name for name in data if fnmatchcase(name, config.files)],
            f"{config.path} has no data file {config.files!r}",
            data or names,
        )
    if patterns := _declared(card, config):
        return _some(
            [name for name in data if any(fnmatchcase(name, pattern) for pattern in patterns)],
            f"{config.path} has none of the files that its card names for {config.split!r}",
            data or names,
        )
    wanted = _SPLITS.get(config.split, {config.split.casefold()})
    others = set().union(*_SPLITS.values()) - wanted
    named = [name for name in data if wanted & _words(name)]
    unnamed = [name for name in data if not (wanted | others) & _words(name)]
    fitting = named or (unnamed if config.split == "train" else [])
    kinds = {_kind(name) for name in fitting}
    best = next((kind for kind in _PREFERRED if kind in kinds), None)
    if best is not None:
        fitting = [name for name in fitting if _kind(name) == best]
    return _some(fitting, f"{config.path} has no data files of the split {config.split!r}", data or names)


def _declared(card: Mapping[str, Any], config: SourceConfig) -> list[str]:
    """Patterns that the card gives for the split; none when it gives none."""
    given = card.get("configs")
    parts = [part for part in given if isinstance(part, dict) and part.get("data_files")] if given else []
    if not parts:
        return []
    default = [part for part in parts if part.get("default") or part.get("config_name") == "default"]
    if len(parts) > 1 and not default:
        shown = ", ".join(str(part.get("config_name")) for part in parts)
        raise InputError(f"{config.path} has several parts: {shown}", "name the files of one: {files: PATTERN}")
    files = (default or parts)[0]["data_files"]
    if isinstance(files, str) or (isinstance(files, list) and all(isinstance(one, str) for one in files)):
        return [files] if isinstance(files, str) else files
    splits = {str(one.get("split")): one.get("path") for one in files if isinstance(one, dict)}
    if config.split not in splits:
        raise InputError(f"{config.path} has no split {config.split!r}", f"its splits: {', '.join(splits)}")
    path = splits[config.split]
    return [path] if isinstance(path, str) else list(path or ())


def _some(chosen: list[str], message: str, all_names: Sequence[str]) -> list[str]:
    if chosen:
        return chosen
    shown = ", ".join(sorted(all_names)[:12]) or "none"
    raise InputError(message, f"name some with {{files: PATTERN}}; its files: {shown}")


def _is_data(name: str, config: SourceConfig) -> bool:
    if config.kind not in (None, "hf") and config.files is not None:
        return True
    return suffix(_path(name)) in KINDS and not _NO_DATA.search(name)


def _kind(name: str) -> str:
    return KINDS[suffix(_path(name))]


def _path(name: str) -> Any:
    return PurePosixPath(name)


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.casefold()))
