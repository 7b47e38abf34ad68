"""Files at addresses: `https://` by our own client, which goes on after a cut; `s3://` and others by fsspec."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.download import download
from infra.errors import InputError, PRDError, UnavailableError
from infra.http import Client
from prompts.config import SourceConfig
from prompts.sources.copying import copy_column, keep_column, stored_name
from prompts.sources.files import kind_of, suffix
from prompts.sources.reading import read_snapshot
from prompts.sources.snapshots import Request, take
from prompts.sources.source import Content

_EXTRAS = {"s3fs": "s3://", "gcsfs": "gs://"}


def read_address(config: SourceConfig) -> Content:
    """Rows of the files at an address, fetched once.

    With `revision` as the SHA-256 of a file at `https://` it must be that file.

    Raises:
        InputError: there is no such file, it is of no known kind, or it changed while it was fetched.
        UnavailableError: its server does not answer, or may not be asked, or the library for it is not installed.
    """
    kind_of(Path(_path(config.path)), config)
    is_web = urlsplit(config.path).scheme in ("http", "https")
    request = Request(config.path, {"field": config.field, "kind": config.kind})
    snapshot = take(
        request,
        pinned=_pinned(config),
        refresh=config.refresh,
        resolve=partial(_web_revision if is_web else _store_revision, config.path),
        fetch=partial(_fetch_web if is_web else _fetch_store, config),
    )
    return read_snapshot(snapshot, config, _path(config.path).rpartition("/")[2])


def _path(address: str) -> str:
    """Without host, query and fragment."""
    return urlsplit(address).path or address


def _pinned(config: SourceConfig) -> str | None:
    if config.revision is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{64}", config.revision):
        raise InputError(f"{config.path}: the revision of a file is its SHA-256", "give 64 hexadecimal digits, or none")
    return config.revision


def _web_revision(url: str) -> str:
    """What the server says about the version of a file; the time, when it says nothing."""
    answer = Client().get(url, method="HEAD", headers={"Accept-Encoding": "identity"})
    if answer.status in (404, 410):
        raise InputError(f"there is no file {url}", "check the address")
    if answer.status in (401, 403):
        raise InputError(f"{url} is not open to everybody: status {answer.status}", "download it and name the file")
    told = [answer.headers.get(name) or "" for name in ("ETag", "Last-Modified", "Content-Length")]
    if answer.status != 200 or not (told[0] or told[1]):
        return datetime.now(UTC).isoformat(timespec="seconds")
    return " ".join(told)


def _fetch_web(config: SourceConfig, revision: str, folder: Path) -> Mapping[str, Any]:
    url = config.path
    target = folder / stored_name(0, _path(url))
    if _is_parquet(target, config) and config.revision is None:
        copy_column(url, config.field, target, Client(largest=2**30))
    else:
        download([url], target, digest=config.revision)
    # A time stands for a revision that cannot be asked for.
    if config.revision is None and " " in revision and _web_revision(url) != revision:
        target.unlink()
        raise InputError(f"{url} changed while it was fetched", "build again")
    return {}


def _store_revision(url: str) -> str:
    with _speaking(url) as (store, names):
        return _state(store, names)


def _fetch_store(config: SourceConfig, revision: str, folder: Path) -> Mapping[str, Any]:
    with _speaking(config.path) as (store, names):
        for index, name in enumerate(names):
            target = folder / stored_name(index, name)
            if target.is_file():
                continue
            if _is_parquet(target, config):
                with store.open(name, "rb") as stream:
                    keep_column(stream, config.field, target, name)
            else:
                part = target.with_name(f"{target.name}.part")
                store.get_file(name, str(part))
                part.replace(target)
        if _state(store, names) != revision:
            for target in folder.iterdir():
                target.unlink()
            raise InputError(f"{config.path} changed while it was fetched", "build again")
    return {"files": names}


def _state(store: Any, names: list[str]) -> str:
    """Changes with the content of any of the files."""
    return sha256("\n".join(f"{name} {store.ukey(name)}" for name in names).encode()).hexdigest()


@contextmanager
def _speaking(url: str) -> Iterator[tuple[Any, list[str]]]:
    """The file system of an address and the files that it names. What goes wrong becomes one of our errors."""
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        names = sorted(store.glob(root)) if re.search(r"[*?\[]", root) else [root]
        names = [name for name in names if store.isfile(name)]
        if not names:
            raise InputError(f"there is no file {url}", "check the address")
        yield store, names
    except PRDError:
        raise
    except ImportError as error:
        raise UnavailableError(
            f"{url} needs a library that is not installed: {error}",
            f"pip install 'prd-pipeline[cloud]' has those for {', '.join(_EXTRAS.values())}",
        ) from None
    except ValueError as error:
        raise InputError(f"{url} cannot be read: {error}", "check the address") from None
    except Exception as error:  # each store's library has errors of its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnavailableError(f"{url} cannot be read: {reason}", "check the address and the credentials") from None


def _is_parquet(target: Path, config: SourceConfig) -> bool:
    return config.kind == "parquet" or (config.kind is None and suffix(target) in (".parquet", ".pq"))
