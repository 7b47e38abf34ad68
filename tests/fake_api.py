"""A paginated web API on loopback, which gives its records by number of page, by cursor, or by link."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlparse

from fake_server import Faults, FaultyHandler, serving


@dataclass
class FakeApi:
    """What is served. It may change while it is."""

    records: list[Any]
    per_page: int = 2
    robots: str | None = None
    token: str | None = None
    pages: dict[int, bytes] = field(default_factory=dict)
    """Bodies of some pages, from 0, instead of what they should hold."""
    repeats_last: bool = False
    """Whether pages beyond the end are the last one, as with some APIs."""
    circle_to: int | None = None
    """The page that the last one names as its next."""
    asked: Callable[[str], None] = lambda _: None
    """Called with the address of each request."""
    faults: Faults = field(default_factory=Faults)
    address: str = ""

    def body(self, number: int) -> bytes:
        if number in self.pages:
            return self.pages[number]
        last = (len(self.records) - 1) // self.per_page
        if self.repeats_last:
            number = min(number, last)
        following: int | None = number + 1 if number < last else self.circle_to
        document = {
            "data": {"items": self.records[number * self.per_page : (number + 1) * self.per_page]},
            "cursor": f"c{following}" if following is not None else None,
            "links": {"next": f"/prompts?at=c{following}" if following is not None else None},
        }
        return json.dumps(document).encode()


@contextmanager
def fake_api(api: FakeApi) -> Iterator[str]:
    """Serve it; yields the address of its first page."""

    class Handler(FaultyHandler):
        faults = api.faults

        def do_GET(self) -> None:  # noqa: N802
            address = urlparse(self.path)
            api.asked(self.path)
            if address.path == "/robots.txt":
                return self.send((api.robots or "").encode(), status=404 if api.robots is None else 200)
            if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
                return self.send(b"{}", status=401)
            query = parse_qs(address.query)
            at = query.get("at", ["c0"])[0].removeprefix("c")
            number = int(query["page"][0]) - 1 if "page" in query else int(at)
            self.send(api.body(number), {"Content-Type": "application/json"})

    with serving(Handler) as address:
        api.address = address
        yield f"{address}/prompts"
