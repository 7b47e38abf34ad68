"""Tables of a finished version. One that is gone or damaged since is named, with the way out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from infra.artifacts import read_manifest
from infra.errors import InputError, MissingError
from prompts.corpus import BUILD_AGAIN, CLUSTERS, DATA, REJECTS


def read_prompts(folder: Path, *columns: str) -> pl.DataFrame:
    """Columns of all prompts of a version.

    Raises:
        MissingError: `folder` is no finished version, or a file of it is gone.
        InputError: a file of it is damaged.
    """
    names = sorted(name for name in read_manifest(folder).outputs if name.startswith(DATA))
    return pl.concat([_read(folder / name, columns) for name in names])


def read_clusters(folder: Path, *columns: str, where: pl.Expr | None = None) -> pl.DataFrame:
    """What became of every row of a version.

    Args:
        folder: of the version.
        columns: default all.
        where: which rows; default all.

    Raises:
        MissingError: the file is gone.
        InputError: it is damaged.
    """
    return _read(folder / CLUSTERS, columns, where)


def read_rejects(folder: Path, *columns: str, where: pl.Expr | None = None) -> pl.DataFrame:
    """Rows that were refused; as `read_clusters`."""
    return _read(folder / REJECTS, columns, where)


def _read(path: Path, columns: tuple[str, ...], where: pl.Expr | None = None) -> pl.DataFrame:
    with _whole(path):
        table = pl.scan_parquet(path, glob=False)
        table = table if where is None else table.filter(where)
        return (table.select(columns) if columns else table).collect()


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MissingError(f"{path} is missing", BUILD_AGAIN) from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}", BUILD_AGAIN) from None
