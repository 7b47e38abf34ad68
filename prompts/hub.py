"""Data sets of the Hub: the one column that holds prompts, of one commit, kept on this machine for good.

Of Parquet files only that column crosses the network, by range requests, so a set with pictures inside costs no more
than its texts. What was fetched of a commit is never fetched again.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from infra.artifacts import finish, read_manifest
from infra.config import digest
from infra.download import offline
from infra.errors import InputError, MissingError, UnavailableError
from infra.progress import track
from prompts.rows import SCHEMA
from prompts.tables import parquet_frames

if TYPE_CHECKING:
    from prompts.config import SourceConfig

ROWS = "rows.parquet"
_COMMIT = "commit"
Reader = Callable[[Path], Iterator[pl.DataFrame]]


def fetch_rows(config: "SourceConfig", root: Path, suffixes: Sequence[str], read: Reader) -> tuple[Path, str]:
    """Fetch a data set's prompts, or find them fetched.

    Args:
        config: `path` is `owner/name`; `revision`, `files`, `field` and `split` choose.
        root: folder of snapshots.
        suffixes: of the files that can be read.
        read: reads a file that is not Parquet.

    Returns:
        A Parquet file of `rows.SCHEMA`, and a digest of its texts.

    Raises:
        UnavailableError: the Hub does not answer or refuses, or the network may not be used and nothing is here.
        InputError: there is no such data set, file or column.
    """
    home = root / "hub" / config.path.replace("/", "--")
    wanted = digest([config.files, config.field, config.split, config.key])[:8]
    if offline():
        folder = _newest(home, wanted, config)
    else:
        commit, files = _files(config, suffixes)
        folder = home / f"{commit[:12]}-{wanted}"
        inputs = {"data set": config.path, _COMMIT: commit, "wanted": wanted, "files": digest(files)}
        finish(
            folder, kind="snapshot", inputs=inputs, build=lambda staging: _fetch(config, commit, files, read, staging)
        )
    return folder / ROWS, read_manifest(folder).facts["content"]


def _newest(home: Path, wanted: str, config: "SourceConfig") -> Path:
    """What an earlier run has fetched."""
    found = []
    for folder in home.glob(f"*-{wanted}"):
        try:
            manifest = read_manifest(folder)
        except MissingError:
            continue
        if config.revision in (None, manifest.inputs[_COMMIT], manifest.facts["revision"]):
            found.append((manifest.created, folder))
    if not found:
        raise UnavailableError(
            f"the data set {config.path!r} is not here, and HF_HUB_OFFLINE forbids to fetch it",
            "fetch it once with a network, or name a file or a saved folder instead",
        )
    return max(found)[1]


def _files(config: "SourceConfig", suffixes: Sequence[str]) -> tuple[str, list[str]]:
    """The commit, and the files of it that hold the wanted rows."""
    from httpx import HTTPError
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"{constants.ENDPOINT}/datasets/{config.path}"
    try:
        info = HfApi().dataset_info(config.path, revision=config.revision)
    except GatedRepoError:
        raise UnavailableError(
            f"the data set {config.path!r} has terms to accept", f"accept them at {page}, then set HF_TOKEN"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        what = f"revision {config.revision!r} of " if isinstance(error, RevisionNotFoundError) else ""
        raise InputError(
            f"there is no {what}data set {config.path!r} on the Hub, or HF_TOKEN may not see it", f"look at {page}"
        ) from None
    except (HfHubHTTPError, HTTPError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnavailableError(
            f"the data set {config.path!r} could not be fetched: {reason}",
            "check the network, or name a file or a saved folder instead",
        ) from None
    names = sorted(entry.rfilename for entry in info.siblings or ())
    return info.sha or "", choose_files(names, config, suffixes)


def choose_files(names: Sequence[str], config: "SourceConfig", suffixes: Sequence[str]) -> list[str]:
    """Those that `files` matches; else Parquet if there is any, else the rest; of the split if their names tell it.

    Raises:
        InputError: there is none.
    """
    readable = [name for name in names if _suffix(name) in suffixes]
    if config.files is not None:
        chosen = [name for name in readable if fnmatch.fnmatch(name, config.files)]
    else:
        tables = [name for name in readable if _suffix(name) == ".parquet"]
        chosen = tables or [name for name in readable if not PurePosixPath(name).name.startswith("dataset_info")]
        split = re.compile(rf"(^|[/_.-]){re.escape(config.split)}([/_.-]|\d|$)", re.IGNORECASE)
        chosen = [name for name in chosen if split.search(name)] or chosen
    if not chosen:
        raise InputError(
            f"the data set {config.path!r} has no file {config.files or 'that can be read'}",
            f"its files: {', '.join(names[:12]) or 'none'}; `files` names some as a glob",
        )
    return chosen


def _suffix(name: str) -> str:
    path = PurePosixPath(name)
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _fetch(config: "SourceConfig", commit: str, files: Sequence[str], read: Reader, folder: Path) -> Mapping[str, Any]:
    import pyarrow.parquet as pq

    content, rows, writer = sha256(), 0, None
    try:
        for name in track(files, f"fetching {config.path} (files)"):
            before = rows
            for frame in _read(config, commit, name, read):
                shifted = frame.with_columns(pl.col("source_row") + before).select(*SCHEMA)
                rows = max(rows, int(shifted["source_row"].max() or 0))  # type: ignore[arg-type]
                content.update("\x1e".join(shifted["text"].fill_null("\x00")).encode() + b"\x1d")
                table = shifted.to_arrow(compat_level=pl.CompatLevel.oldest())
                writer = writer or pq.ParquetWriter(folder / ROWS, table.schema, compression="zstd")
                writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        pl.DataFrame(schema=SCHEMA).write_parquet(folder / ROWS)
    return {"content": content.hexdigest(), "rows": rows, "revision": config.revision, "files": list(files)}


def _read(config: "SourceConfig", commit: str, name: str, read: Reader) -> Iterator[pl.DataFrame]:
    from aiohttp import ClientError
    from httpx import HTTPError
    from huggingface_hub import get_token, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    where = f"{config.path}/{name}"
    try:
        if _suffix(name) != ".parquet":
            yield from read(Path(hf_hub_download(config.path, name, repo_type="dataset", revision=commit)))
            return
        import fsspec

        token = get_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = hf_hub_url(config.path, name, repo_type="dataset", revision=commit)
        with fsspec.filesystem("http", client_kwargs={"headers": headers}).open(url) as stream:
            yield from parquet_frames(stream, config.field, where)
    except (HfHubHTTPError, HTTPError, ClientError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnavailableError(f"{where} could not be fetched: {reason}", "call again to go on") from None
