"""Folders on this machine that the library `datasets` reads: saved by it, or with data files of one format."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from infra.errors import InputError
from prompts.config import SourceConfig
from prompts.rows import BATCH_ROWS
from prompts.sources.files import KINDS, suffix
from prompts.sources.source import Content, Shard
from prompts.sources.tables import text_column, text_frames


def read_folder(folder: Path, config: SourceConfig) -> Content:
    """One split of a data set in a folder.

    Raises:
        InputError: there is no such split, or no text column.
    """
    dataset = _open(folder, config.split)
    field = text_column(dataset.features.arrow_schema, config.field, str(folder))
    known = _content_digest(dataset, field)

    def verify() -> None:
        if _content_digest(_open(folder, config.split), field) != known:
            raise InputError(f"{folder} changed while it was read", "build again when nobody writes to it")

    shard = Shard(name=folder.name, key={"text": known}, open=lambda: _frames(dataset, field), verify=verify)
    return Content(kind="hf", file=folder.name, digest=known, shards=(shard,))


def text_digest(frames: Iterator[pl.DataFrame]) -> str:
    """Of the text itself: the files of a folder or a cache differ between machines, their rows do not."""
    content = sha256()
    for frame in frames:
        content.update("".join(f"{text}\x1e" for text in frame["text"].fill_null("\x00")).encode())
    return content.hexdigest()


def _open(folder: Path, split: str) -> Any:
    """A `datasets.Dataset`."""
    import datasets
    from datasets.exceptions import DatasetGenerationError, DatasetsError

    where = str(folder)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = datasets.load_from_disk(where)
            return loaded[split] if isinstance(loaded, datasets.DatasetDict) else loaded
        return datasets.load_dataset(where, split=split)
    except DatasetGenerationError as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise InputError(
            f"the data set {where!r} cannot be read as one table: {reason}",
            f"its files differ, or one is broken; a pattern such as {folder / _pattern(folder)} reads each by itself, "
            "and names the one that it cannot read",
        ) from None
    except (DatasetsError, KeyError, ValueError, OSError, pa.ArrowException) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the data set {where!r} cannot be read: {reason}", f"check its files and the split {split!r}"
        ) from None


def _pattern(folder: Path) -> str:
    """Of the files that are most likely its data."""
    files = [path for path in folder.rglob("*") if suffix(path) in KINDS]
    patterns = Counter(f"{'' if path.parent == folder else '**/'}*{path.suffix}" for path in files)
    return patterns.most_common(1)[0][0] if patterns else "*"


def _content_digest(dataset: Any, field: str) -> str:
    return text_digest(_frames(dataset, field))


def _frames(dataset: Any, field: str) -> Iterator[pl.DataFrame]:
    column = dataset.select_columns([field]).with_format("arrow")
    return text_frames((table.column(0) for table in column.iter(BATCH_ROWS)), field)
