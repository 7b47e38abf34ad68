"""The last search for near-duplicates of a corpus, kept beside its versions for the next one to go on from.

What is kept only saves time: without it, or where it does not fit, the next build searches among all prompts.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.artifacts import write_json
from infra.config import digest
from infra.progress import console
from prompts.config import CorpusConfig
from prompts.dedup.near import NearDuplicates
from prompts.dedup.profile import Profile
from prompts.dedup.style import Style
from prompts.dedup.tokens import Tokens
from prompts.prepare import Prepared
from prompts.workspace import Workspace, mapped

_KEPT, _NEW = ".searched", ".searching"
_ABOUT = "about.json"
_ROWS = "rows"
_PARTS = {"tokens": Tokens, "profile": Profile, "style": Style}


@dataclass(frozen=True)
class Past:
    """What there was to search in: all that a build may add to is `shards`, and after them."""

    code: str
    settings: str
    evaluation: str
    shards: tuple[str, ...]
    """Folders of the prepared rows, in order."""

    def goes_on(self, earlier: "Past") -> bool:
        """Whether this is `earlier` with more shards behind."""
        same = (self.code, self.settings, self.evaluation) == (earlier.code, earlier.settings, earlier.evaluation)
        return same and self.shards[: len(earlier.shards)] == earlier.shards


def past_of(config: CorpusConfig, prepared: Sequence[Prepared], evaluation: Sequence[str]) -> Past:
    """What a search goes by."""
    shards = tuple(folder.name for source in prepared for folder in source.shards)
    return Past(_code(), digest(config.near.model_dump(mode="json")), digest(list(evaluation)), shards)


class Searched:
    """Takes the search of one build, and has that of an earlier one; a context manager.

    Args:
        home: folder of the corpus, which this process holds.
        past: what the build goes by.
    """

    def __init__(self, home: Path, past: Past) -> None:
        self._kept, self._new, self._past = home / _KEPT, home / _NEW, past
        self.workspace = Workspace(self._new)
        """Of the large arrays of this search."""

    def __enter__(self) -> "Searched":
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._new, ignore_errors=True)

    def earlier(self, rows: NDArray[np.int64]) -> NearDuplicates | None:
        """What was found before, if it was found among the evaluation prompts and the first of these rows.

        Args:
            rows: of all prompts, ascending.
        """
        try:
            about = json.loads((self._kept / _ABOUT).read_text(encoding="utf-8"))
            if not self._past.goes_on(Past(**{**about["past"], "shards": tuple(about["past"]["shards"])})):
                return None
            arrays = {name: mapped(self._kept / name, *of) for name, of in about["arrays"].items()}
        except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole
            return None
        if not np.array_equal(arrays[_ROWS], rows[: len(arrays[_ROWS])]):
            return None
        return _together(arrays, about["numbers"])

    def keep(self, near: NearDuplicates, rows: NDArray[np.int64]) -> None:
        """Put the search in the place of the earlier one. All of `rows` were searched."""
        arrays, numbers = _apart(near)
        arrays[_ROWS] = rows
        shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
        try:
            for name, array in arrays.items():
                if not (self._new / name).exists():  # else it was made there
                    array.tofile(self._new / name)
            write_json(self._new / _ABOUT, {"past": asdict(self._past), "numbers": numbers, "arrays": shapes})
            shutil.rmtree(self._kept, ignore_errors=True)
            self._new.rename(self._kept)
        except OSError as error:
            console.print(f"{self._new}: {error.strerror}; the next build will search among all prompts", markup=False)


def _apart(near: NearDuplicates) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays, numbers = {}, {}
    for whole, prefix in ((near, ""), *((getattr(near, part), f"{part}.") for part in _PARTS)):
        for field in fields(whole):
            value = getattr(whole, field.name)
            if isinstance(value, np.ndarray):
                arrays[prefix + field.name] = value
            elif field.name not in _PARTS:
                numbers[field.name] = value
    return arrays, numbers


def _together(arrays: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> NearDuplicates:
    def of(kind: Any, prefix: str) -> dict[str, NDArray[Any]]:
        return {field.name: arrays[name] for field in fields(kind) if (name := prefix + field.name) in arrays}

    parts: dict[str, Any] = {name: kind(**of(kind, f"{name}.")) for name, kind in _PARTS.items()}
    return NearDuplicates(**of(NearDuplicates, ""), **parts, **numbers)


def _code() -> str:
    """Of all of this package: another release may search in another way."""
    package = Path(__file__).parent
    sources = sha256()
    for path in sorted(package.rglob("*.py")):
        sources.update(path.read_bytes())
    return sources.hexdigest()
