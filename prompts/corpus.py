"""A finished corpus: memory-mapped prompts by index, and its numbers."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from infra.artifacts import Manifest, read_manifest
from infra.errors import InputError, MissingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEXTS = "text.arrow"
STATS = "stats.json"
REJECTS = "rejects.parquet"
CLUSTERS = "clusters.parquet"
CONFIG = "config.yaml"
DATA = "data/"

BUILD_AGAIN = "build it again: prd corpus build, which makes anew what is not whole"


class Corpus(Sequence[str]):
    """Prompts of a corpus by index, in the order of its shards.

    The text stays on disk and is shared by all processes of a machine; the object itself is small and can be sent to
    other processes, which map the file themselves.
    """

    def __init__(self, folder: Path, version: str) -> None:
        import pyarrow as pa

        self.folder = folder
        self.version = version
        self._map = pa.memory_map(str(folder / TEXTS))
        table = pa.ipc.open_file(self._map).read_all()
        if "weight" not in table.column_names:
            raise InputError(f"{folder} was built before prompts had weights", "build it again: prd corpus build")
        self._texts, self._sizes, self._weights = (table.column(name) for name in ("text", "cluster_size", "weight"))

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        return self._texts[index].as_py()

    def take(self, indices: Iterable[int]) -> list[str]:
        """Several prompts."""
        return [self._texts[index].as_py() for index in indices]

    @property
    def cluster_sizes(self) -> "NDArray[np.int32]":
        """[len] rows of the sources that each prompt stands for."""
        return self._sizes.to_numpy()

    @property
    def weights(self) -> "NDArray[np.float32]":
        """[len] how often training should draw each prompt beside one of weight 1: the largest of its sources."""
        return self._weights.to_numpy()

    def __reduce__(self):
        return type(self), (self.folder, self.version)


def open_corpus(folder: Path) -> Corpus:
    """Open a finished corpus.

    Raises:
        MissingError: there is no finished corpus in `folder`, or a file of it is gone.
        InputError: the folder is something else, its text file is damaged, or it was built by an older version.
    """
    manifest = _manifest(folder)
    entry = manifest.outputs.get(TEXTS, {})
    path = folder / TEXTS
    if not path.is_file():
        raise MissingError(f"{path} is missing", "run the corpus stage again; it rebuilds what is not whole")
    if path.stat().st_size != entry.get("bytes"):
        raise InputError(f"{path} is damaged: its size is not the recorded one", "run the corpus stage again")
    return Corpus(folder.absolute(), manifest.facts["version"])


def corpus_stats(folder: Path) -> dict[str, Any]:
    """Numbers of a finished corpus: `read`, `refused` by reason, `merged` by rule, `prompts`, `sources`, `evaluation`
    sets, sources that are `missing`, `overlap`, `licences`, `languages`, `flags`, `words`, `scores`, `styled`,
    `clusters` and `splits`.

    Raises:
        MissingError: there is no finished corpus in `folder`, or the file is gone.
        InputError: the folder is something else, or the file is damaged.
    """
    _manifest(folder)
    path = folder / STATS
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", BUILD_AGAIN) from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}", BUILD_AGAIN) from None


def _manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest.kind != "corpus":
        raise InputError(f"{folder} is a {manifest.kind}, no corpus", "give the folder that the corpus stage names")
    return manifest
