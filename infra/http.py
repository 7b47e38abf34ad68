"""One way to ask servers on unreliable networks: what may pass is tried again, and servers say how long to wait."""

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from infra.errors import InputError, UnavailableError

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Answers that may be another one in a while."""
TRIES = 6
TIMEOUT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 120.0
_FIRST_WAIT_SECONDS = 1.0
_CHUNK = 2**16


def offline() -> bool:
    """Whether the environment forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def user_agent() -> str:
    """How this project names itself to servers."""
    try:
        return f"prd-pipeline/{version('prd-pipeline')}"
    except PackageNotFoundError:
        return "prd-pipeline"


def rest(seconds: float) -> None:
    """Wait between two requests."""
    time.sleep(seconds)


def wait_seconds(attempt: int, retry_after: str | None = None, now: datetime | None = None) -> float:
    """How long to wait before another try.

    Args:
        attempt: tries that have failed, from 1; without other news each waits twice as long as the one before.
        retry_after: what the server says: seconds, or a date.
        now: for dates; default the clock's.
    """
    told = _told(retry_after, now or datetime.now(UTC)) if retry_after else None
    return max(told, 0.0) if told is not None else _FIRST_WAIT_SECONDS * 2 ** (attempt - 1)


def _told(retry_after: str, now: datetime) -> float | None:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()


@dataclass(frozen=True)
class Answer:
    """What a server sent, whole."""

    url: str
    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


@dataclass
class Client:
    """Asks with patience. Not for several threads at once.

    Raises, from `get`:
        UnavailableError: no answer after all tries, a wait longer than `longest_wait`, or the network is forbidden.
        InputError: the answer is larger than `largest`.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    tries: int = TRIES
    longest_wait: float = LONGEST_WAIT_SECONDS
    """Seconds; who wants us to wait longer is unavailable."""
    pause: float = 0.0
    """Seconds between one request and the next."""
    largest: int = 64 * 2**20
    """Bytes of an unpacked answer."""

    def __post_init__(self) -> None:
        self._session: Any = None
        self._asked = -float("inf")

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        """An answer that is none of `RETRIED`; other refusals (404, 403, …) are answers, too."""
        if offline():
            raise UnavailableError(f"{url} was not asked: HF_HUB_OFFLINE forbids the network")
        import requests

        failure = ""
        for attempt in range(1, self.tries + 1):
            told = None
            try:
                answer = self._ask(method, url, params, {**self.headers, **(headers or {})})
            except requests.RequestException as error:
                failure = f"{type(error).__name__}"
            else:
                if answer.status not in RETRIED:
                    return answer
                failure, told = f"status {answer.status}", answer.headers.get("Retry-After")
            wait = wait_seconds(attempt, told)
            if wait > self.longest_wait:
                raise UnavailableError(f"{url} wants to be asked again in {wait:.0f} s ({failure})", "come back later")
            if attempt < self.tries:
                rest(wait)
        raise UnavailableError(f"{url} does not answer after {self.tries} tries: {failure}", "check it and try again")

    def _ask(self, method: str, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        import requests

        if self._session is None:
            self._session = requests.Session()
        left = self._asked + self.pause - time.monotonic()
        if left > 0:
            rest(left)
        self._asked = time.monotonic()
        sent = {"User-Agent": user_agent(), **headers}
        body = io.BytesIO()
        # Not all libraries follow by themselves on HEAD.
        asked = {"params": params, "headers": sent, "stream": True, "timeout": TIMEOUT_SECONDS, "allow_redirects": True}
        with self._session.request(method, url, **asked) as response:
            for chunk in response.iter_content(_CHUNK):
                body.write(chunk)
                if body.tell() > self.largest:
                    raise InputError(f"{response.url} answers with more than {self.largest // 2**20} MB")
            return Answer(response.url, response.status_code, response.headers, body.getvalue())


class RangeFile(io.RawIOBase):
    """A remote file that is read in pieces, for formats that say where their parts are.

    Args:
        url: of a server that knows byte ranges.
        client: its `largest` bounds one piece.

    Raises, here and when read:
        InputError: the server gives no ranges, or the file changed between two of them.
        UnavailableError: it does not answer, or refuses.
    """

    def __init__(self, url: str, client: Client) -> None:
        super().__init__()
        self._url, self._client = url, client
        self._at = 0
        self.tag: str | None = None
        """ETag or date of the file, as the server gives it."""
        self.size = 0
        self._piece(0, 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        content = self._piece(self._at, end) if end > self._at else b""
        self._at += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _piece(self, start: int, end: int) -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        answer = self._client.get(self._url, headers=wanted)
        if answer.status == 416 and start == 0:
            raise InputError(f"{self._url} is empty")
        if answer.status == 200:
            raise InputError(f"{self._url} is not given in pieces by its server", "download it and name the file")
        if answer.status != 206:
            raise UnavailableError(f"{self._url} is refused: status {answer.status}")
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        size = int(total) if total.isdigit() else -1
        if self.size and (tag != self.tag or size != self.size):
            raise InputError(f"{self._url} changed while it was read", "build again")
        self.tag, self.size = tag, size
        if len(answer.body) != end - start:
            raise UnavailableError(f"{self._url} gave {len(answer.body)} bytes of {end - start}", "try again")
        return answer.body
