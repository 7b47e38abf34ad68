"""Data sets of the Hugging Face Hub: the text of one revision, and none of its images."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.download import download
from infra.errors import InputError, UnavailableError
from infra.http import Answer, Client
from prompts.config import SourceConfig
from prompts.sources.copying import copy_column, stored_name
from prompts.sources.files import KINDS, suffix
from prompts.sources.layout import choose_files
from prompts.sources.reading import read_snapshot
from prompts.sources.snapshots import Request, take
from prompts.sources.source import Content

_COMMIT_LENGTH = 40


def read_hub(config: SourceConfig) -> Content:
    """The rows of one split of a data set at one commit, fetched once.

    Of Parquet files only the text column is fetched; other files are fetched whole.

    Raises:
        InputError: there is no such data set, revision, file or split; or it is gated and this user was not let in.
        UnavailableError: the Hub does not answer, or may not be asked.
    """
    fixed = config.revision if config.revision and _is_commit(config.revision) else None
    request = Request(
        f"hf://datasets/{config.path}",
        {
            "revision": None if fixed else config.revision,
            "split": None if config.files else config.split,
            "files": config.files,
            "field": config.field,
            "kind": config.kind,
        },
    )
    snapshot = take(
        request,
        pinned=fixed,
        refresh=config.refresh,
        resolve=lambda: str(_describe(config, config.revision or "main")["sha"]),
        fetch=partial(_fetch, config),
    )
    return read_snapshot(snapshot, config, config.path, "hf")


def from_address(config: SourceConfig) -> SourceConfig:
    """`hf://datasets/owner/name[@revision][/files]` as what it means.

    Raises:
        InputError: it is none.
    """
    parts = config.path.removeprefix("hf://").split("/", 3)
    if len(parts) < 3 or parts[0] != "datasets":
        raise InputError(f"{config.path} is no data set of the Hub", "write hf://datasets/OWNER/NAME/FILES")
    name, _, revision = parts[2].partition("@")
    changes: dict[str, Any] = {"path": f"{parts[1]}/{name}"}
    if revision:
        changes["revision"] = revision
    if len(parts) == 4 and parts[3]:
        changes["files"] = parts[3]
    return config.model_copy(update=changes)


def _fetch(config: SourceConfig, commit: str, folder: Path) -> Mapping[str, Any]:
    about = _describe(config, commit)
    names = [str(entry["rfilename"]) for entry in about.get("siblings") or ()]
    chosen = choose_files(names, about.get("cardData") or {}, config)
    for index, name in enumerate(chosen):
        url = f"{endpoint()}/datasets/{config.path}/resolve/{commit}/{quote(name)}"
        target = folder / stored_name(index, name)
        if KINDS.get(suffix(Path(name))) == "parquet":
            copy_column(url, config.field, target, _client())
        else:
            _download(url, target)
    return {"commit": about["sha"], "files": chosen}


def _download(url: str, target: Path) -> None:
    download([url], target, headers=_identification())


def _describe(config: SourceConfig, revision: str) -> dict[str, Any]:
    """What the Hub says of a data set at a revision: `sha`, `siblings`, `cardData`."""
    if config.gated and not _token():
        raise _closed(config, "it is open only to users who accepted its terms")
    answer = _client().get(f"{endpoint()}/api/datasets/{config.path}/revision/{quote(revision, safe='')}")
    if answer.status == 200:
        return _json(answer)
    code = answer.headers.get("X-Error-Code", "")
    if answer.status in (401, 403) and code in ("", "GatedRepo"):
        raise _closed(config, "it is gated or private" if _token() else "it is gated or private, and there is no token")
    if code == "RevisionNotFound":
        raise InputError(f"{config.path} has no revision {revision!r}", "check the commit, tag or branch")
    if answer.status in (401, 404):
        raise InputError(f"the Hub has no data set {config.path!r}", "check its name; private ones need HF_TOKEN")
    raise UnavailableError(f"the Hub refuses {config.path!r}: status {answer.status}", "try again later")


def _closed(config: SourceConfig, reason: str) -> InputError:
    page = config.page or f"{endpoint()}/datasets/{config.path}"
    return InputError(
        f"the data set {config.path!r} cannot be fetched: {reason}", f"accept at {page}, then set HF_TOKEN"
    )


def _json(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if not isinstance(content, dict) or "sha" not in content:
        raise UnavailableError(f"{answer.url} does not answer as a Hub does", "check HF_ENDPOINT")
    return content


def _client() -> Client:
    return Client(headers=_identification(), largest=2**30)


def _identification() -> dict[str, str]:
    token = _token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def endpoint() -> str:
    """Read when it is needed, unlike the Hub's library, which reads it once."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _is_commit(revision: str) -> bool:
    return len(revision) == _COMMIT_LENGTH and set(revision) <= set("0123456789abcdef")
