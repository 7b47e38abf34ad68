"""Public sources of prompts, one YAML file each in `catalog/`: where they are, what they hold, on what terms."""

from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from infra.config import Config
from infra.errors import InputError
from infra.yaml_text import load_yaml
from prompts.config import Kind, SourceConfig, WebConfig, Weight
from prompts.scores.config import FiltersConfig

_FOLDER = Path(__file__).parent / "catalog"
PREFIX = "catalog:"


class CatalogueEntry(Config):
    """One source, as its publisher describes it. Nothing here was checked against the source itself."""

    about: str = Field(min_length=1)
    path: str = Field(min_length=1)
    kind: Kind | None = None
    files: str | None = None
    """Which files of a data set, as a glob."""
    field: str | None = None
    columns: tuple[str, ...] | None = None
    """Of a table without a header."""
    split: str | None = None
    web: WebConfig | None = None
    licence: str = Field(min_length=1)
    """As published; `unknown` where nothing is stated. There is no default: whoever adds a source has to look."""
    licence_note: str | None = None
    gated: bool = False
    """Whether its terms have to be accepted on `homepage` before it can be fetched, with a token."""
    revision: str | None = None
    weight: Weight | None = None
    """How often training should draw from it beside other sources."""
    filters: FiltersConfig = FiltersConfig({})
    """Limits that its rows need, whatever the corpus."""
    rows: int | None = None
    homepage: str | None = None
    notes: str | None = None


def catalogue() -> dict[str, CatalogueEntry]:
    """Name → entry, of those that can be read."""
    return {name: entry for name, entry in _read(_FOLDER).items() if isinstance(entry, CatalogueEntry)}


def broken_entries() -> dict[str, InputError]:
    """Name → what is wrong, of those that cannot be read."""
    return {name: entry for name, entry in _read(_FOLDER).items() if isinstance(entry, InputError)}


@lru_cache(maxsize=1)
def _read(folder: Path) -> dict[str, CatalogueEntry | InputError]:
    found: dict[str, CatalogueEntry | InputError] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[path.stem] = read_entry(path)
        except InputError as error:  # costs only itself
            found[path.stem] = error
    return found


def read_entry(path: Path) -> CatalogueEntry:
    """One file of the catalogue.

    Raises:
        InputError: it does not parse, or lacks something.
    """
    try:
        return CatalogueEntry.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}" if first else str(error)
        unstated = first is not None and first["loc"] == ("licence",)
        way_out = (
            "where nothing is stated write `licence: unknown`" if unstated else "its neighbours show what it needs"
        )
        raise InputError(f"{path} is no entry of the catalogue: {what}", way_out) from None


def resolve(config: SourceConfig) -> SourceConfig:
    """A source with what the catalogue says of it, where its path is `catalog:NAME`; what the recipe says goes first.

    Of `filters` the recipe's replace those that they name.

    Raises:
        InputError: there is no such entry, or it cannot be read.
    """
    if not config.path.startswith(PREFIX):
        return config
    name = config.path.removeprefix(PREFIX)
    entry = _read(_FOLDER).get(name)
    if entry is None:
        raise InputError(f"the catalogue has no source {name!r}", "`prd corpus sources` lists them")
    if isinstance(entry, InputError):
        raise entry
    of_files = {"kind", "files", "field", "columns", "split", "web", "licence", "revision", "gated", "weight"}
    stated = entry.model_dump(include=of_files, exclude_none=True) | {"page": entry.homepage}
    given = config.model_dump(exclude_unset=True, exclude={"path"})
    own = {"path": entry.path, "filters": entry.filters.replaced(config.filters)}
    return SourceConfig(**{"name": name, **stated, **given, **own})
