"""Large files over unreliable networks: resumed, checked, whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra import http
from infra.artifacts import sha256
from infra.errors import InputError, UnavailableError
from infra.http import LONGEST_WAIT_SECONDS, RETRIED, TIMEOUT_SECONDS, offline, user_agent, wait_seconds
from infra.progress import Meter

_TRIES = 5
"""Of each address; a try goes on where the one before was cut off."""
_CHUNK = 2**20


def download(
    urls: Sequence[str], target: Path, digest: str | None = None, headers: Mapping[str, str] | None = None
) -> Path:
    """Fetch a file from the first address that gives it, unless it is there.

    Args:
        urls: the same file, in order of preference.
        target: where it goes; what was fetched of it stays in `<target>.part` for the next call.
        digest: its SHA-256, if known.
        headers: sent with each request, not to where that is redirected.

    Raises:
        UnavailableError: no address gave it, or the network may not be used.
        InputError: it is another file than `digest` says.
    """
    if target.is_file():
        return target
    if offline():
        raise UnavailableError(f"{target.name} is not here, and HF_HUB_OFFLINE forbids to fetch it")
    import requests

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in urls:
        for attempt in range(1, _TRIES + 1):
            try:
                _fetch(url, part, headers or {})
            except requests.HTTPError as error:
                failures.append(str(error))
                answer = error.response
                if answer is None or answer.status_code not in RETRIED or attempt == _TRIES:
                    break
                wait = wait_seconds(attempt, answer.headers.get("Retry-After"))
                if wait > LONGEST_WAIT_SECONDS:
                    break
                http.rest(wait)
                continue
            except (requests.RequestException, OSError) as error:
                failures.append(f"{url}: {type(error).__name__}")
                continue
            if digest and (found := sha256(part)) != digest:
                part.unlink()
                raise InputError(f"{url} is another file than expected: its sha256 is {found}, not {digest}")
            part.replace(target)
            return target
    reasons = "\n  ".join(dict.fromkeys(failures))
    raise UnavailableError(f"{target.name} could not be fetched:\n  {reasons}", "call again to go on with it")


def _fetch(url: str, part: Path, extra: Mapping[str, str]) -> None:
    """Append to `part` what it lacks.

    Raises:
        requests.RequestException: the server refuses, or the connection ends before the file does.
    """
    import requests

    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": user_agent(), **extra, **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if _size_in(response.headers.get("Content-Range", "")) == have:
                return  # all of it is here
            part.unlink()  # it is of another file
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            have = 0  # the server begins anew
        _append(response, part, have)


def _append(response: Any, part: Path, have: int) -> None:
    import requests

    length = int(response.headers.get("Content-Length", 0))
    total = have + length
    response.raw.enforce_content_length = False  # it would throw away the last bytes before a cut
    with part.open("ab" if have else "wb") as stream, Meter(part.stem, total // 10**6 or None, have // 10**6) as meter:
        while chunk := response.raw.read(_CHUNK):
            stream.write(chunk)
            meter.reach(stream.tell() // 10**6)
        if length and stream.tell() < total:
            raise requests.ConnectionError(f"cut off at {stream.tell()} of {total} bytes")


def _size_in(content_range: str) -> int | None:
    """Of `bytes */1234`."""
    size = content_range.rpartition("/")[2]
    return int(size) if size.isdigit() else None
