"""A version of a corpus as a data set of the Hub."""

import re
from collections.abc import Callable
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from infra.artifacts import is_finished, read_manifest
from infra.errors import InputError, UnavailableError
from infra.http import LONGEST_WAIT_SECONDS, RETRIED, offline, rest, wait_seconds
from prompts.public import public_files
from prompts.sources.hub import endpoint

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

_TRIES = 5
"""Of each step; most of its requests are tried again by the Hub's library, too."""
_DATA = "data/"
_AGAIN = "run the same command again; what has arrived is not sent twice"

_STATUS_IN_WORDS = re.compile(r"HTTP status \w+ error \((\d{3})")
"""How the uploader of large files tells a status."""

Result = TypeVar("Result")


def check_target(name: str) -> None:
    """Find out before a long build what would keep its result from being published, by asking the Hub once.

    What a fine-grained token may do shows only when it is done.

    Raises:
        InputError: `name` is no name of a data set.
        UnavailableError: there is no token, it is refused or may not write there, the Hub does not answer, or the
            network is forbidden.
    """
    from huggingface_hub import HfApi

    _check_name(name)
    user = _patiently(name, HfApi(endpoint=endpoint()).whoami)
    role = user.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise _unpublished(name, "this token may only read", "set HF_TOKEN to one with the right to write")
    owner = name.partition("/")[0]
    owners = [str(each["name"]) for each in (user, *user.get("orgs", ()))]
    if role != "fineGrained" and owner.casefold() not in map(str.casefold, owners):
        hint = f"it may write to {', '.join(owners)}; or set HF_TOKEN to one with the right for {owner}"
        raise _unpublished(name, f"this token is of {owners[0]}, who is not in {owner}", hint)


def _check_name(name: str) -> None:
    """What shows without asking anybody; raises as `check_target` does."""
    from huggingface_hub import get_token
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
        valid = name.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise InputError(f"{name!r} is no name of a data set", "write OWNER/NAME")
    if offline():
        raise _unpublished(name, "HF_HUB_OFFLINE forbids the network", "unset it")
    if not get_token():
        raise _unpublished(name, "there is no token", "set HF_TOKEN to one with the right to write")


def push(folder: Path, name: str) -> str:
    """Publish a finished version as one commit, tagged with its name.

    Data files of an earlier version leave the main branch; its tag keeps them. A push that failed half way has changed
    nothing that readers see, and can be repeated.

    Args:
        folder: of a version.
        name: `owner/name` of the data set; it is made, private, if there is none.

    Returns:
        The address of the data set.

    Raises:
        InputError: `folder` is no corpus, or not whole; or `name` is no name of a data set.
        UnavailableError: the Hub does not answer, or refuses.
    """
    from huggingface_hub import HfApi

    manifest = read_manifest(folder)
    if manifest.kind != "corpus":
        raise InputError(f"{folder} is a {manifest.kind}, no corpus", "give a version's folder")
    _check_name(name)
    if not is_finished(folder):
        raise InputError(f"{folder} is damaged: a file of it is gone or was changed", "build it again, then publish")
    version = manifest.facts["version"]
    message = f"version {version}: {manifest.facts['prompts']} prompts"
    files = public_files(folder, manifest, name)
    api = HfApi(endpoint=endpoint())
    _patiently(name, lambda: api.create_repo(name, repo_type="dataset", private=True, exist_ok=True))
    commit = _patiently(name, lambda: _commit(api, name, files, message))
    _patiently(name, lambda: api.create_tag(name, tag=version, revision=commit.oid, repo_type="dataset", exist_ok=True))
    return f"{endpoint()}/datasets/{name}"


def _commit(api: "HfApi", name: str, files: dict[str, Path | bytes], message: str) -> "CommitInfo":
    """All files at once, so that no reader meets those of two versions.

    Begins by looking at what is there: an earlier try may have arrived though its answer did not.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there = api.list_repo_files(name, repo_type="dataset")
    gone = [file for file in there if file.startswith(_DATA) and file not in files]
    operations = [
        *(CommitOperationDelete(path_in_repo=file) for file in gone),
        *(CommitOperationAdd(path_in_repo=file, path_or_fileobj=content) for file, content in files.items()),
    ]
    return api.create_commit(name, operations, commit_message=message, repo_type="dataset")


def _patiently(name: str, step: Callable[[], Result]) -> Result:
    """Ask again what the Hub itself puts off; where nothing answers the library has been patient enough."""
    for attempt in range(1, _TRIES + 1):
        try:
            return step()
        # Besides its own errors the library lets through those of its transport, its threads and its uploader.
        except Exception as error:
            status, told = _answer(error)
            wait = wait_seconds(attempt, told)
            if status not in RETRIED or attempt == _TRIES or wait > LONGEST_WAIT_SECONDS:
                raise _explained(name, error, status) from error
            rest(wait)
    raise AssertionError("the last try returns or raises")


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """Status of the Hub's answer behind an error and when to ask again, as far as there is one."""
    if in_words := _STATUS_IN_WORDS.search(str(error)):
        return int(in_words[1]), None
    if isinstance(error, JSONDecodeError):  # a page of some gateway
        return 502, None
    behind: BaseException | None = error
    while behind is not None:
        if (response := getattr(behind, "response", None)) is not None:
            return response.status_code, response.headers.get("Retry-After")
        behind = behind.__cause__
    return None, None


def _explained(name: str, error: Exception, status: int | None) -> UnavailableError:
    if status == 401:
        return _unpublished(name, "the Hub does not know this token", "set HF_TOKEN to one with the right to write")
    if status == 403:
        owner = name.partition("/")[0]
        return _unpublished(name, "this token may not write there", f"set HF_TOKEN to one with the right for {owner}")
    if status == 429:
        return _unpublished(name, "the Hub wants fewer requests (status 429)", f"wait; then {_AGAIN}")
    if status in RETRIED:
        return _unpublished(name, f"the Hub is not well (status {status})", f"wait; then {_AGAIN}")
    lines = (line.strip() for line in str(error).splitlines())
    reason = next(filter(None, lines), type(error).__name__)
    if status is None:
        return _unpublished(name, f"{reason} ({endpoint()})", f"check the network and HF_ENDPOINT; then {_AGAIN}")
    return _unpublished(name, reason, "check the name and the token")


def _unpublished(name: str, reason: str, hint: str) -> UnavailableError:
    return UnavailableError(f"{name} could not be published: {reason}", hint)
