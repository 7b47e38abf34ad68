"""Asking with patience: what is tried again, for how long, and files in pieces."""

from datetime import UTC, datetime

import pytest
from fake_server import Faults, FaultyHandler, serving

from infra.download import download
from infra.errors import InputError, UnavailableError
from infra.http import Client, RangeFile, wait_seconds

BODY = bytes(range(256)) * 400


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Seconds that would have been waited."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    waited: list[float] = []
    monkeypatch.setattr("infra.http.rest", waited.append)
    return waited


@pytest.fixture
def server():
    class Handler(FaultyHandler):
        faults = Faults()
        tag = "one"

        def do_GET(self) -> None:  # noqa: N802
            self.send(BODY, {"ETag": self.tag})

        do_HEAD = do_GET  # noqa: N815

    with serving(Handler) as address:
        yield Handler, f"{address}/file"


def test_how_long_to_wait():
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert [wait_seconds(attempt) for attempt in (1, 2, 3)] == [1, 2, 4]
    assert wait_seconds(1, "17", now) == 17
    assert wait_seconds(1, "Thu, 01 Jan 2026 12:01:30 GMT", now) == 90
    assert wait_seconds(1, "Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert wait_seconds(3, "soon", now) == 4


def test_what_may_pass_is_tried_again(server, waits):
    handler, url = server
    handler.faults.plan("/file", 429, Retry_After="7")
    for status in (500, 502, 503, 504, 0):
        handler.faults.plan("/file", status)
    assert Client(tries=7).get(url).body == BODY
    assert waits == [7, 2, 4, 8, 16, 32]
    handler.faults.plan("/file", 404)
    assert Client().get(url).status == 404


def test_patience_ends(server, waits):
    handler, url = server
    handler.faults.plan("/file", 429, Retry_After="4000")
    with pytest.raises(UnavailableError, match="4000 s"):
        Client().get(url)
    for _ in range(3):
        handler.faults.plan("/file", 503)
    with pytest.raises(UnavailableError, match="after 3 tries: status 503"):
        Client(tries=3).get(url)
    with pytest.raises(InputError, match="more than 0 MB"):
        Client(largest=1000).get(url)


def test_nobody_is_asked_offline(server, monkeypatch):
    handler, url = server
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE"):
        Client().get(url)
    assert handler.faults.asked == []


def test_requests_keep_their_distance(server, waits):
    _, url = server
    client = Client(pause=100.0)
    client.get(url)
    client.get(url)
    assert len(waits) == 1 and 90 < waits[0] <= 100


def test_a_file_in_pieces(server, waits):
    handler, url = server
    file = RangeFile(url, Client())
    handler.faults.plan("/file", 0)
    file.seek(-300, 2)
    assert file.read() == BODY[-300:]
    file.seek(1000)
    assert file.read(10) == BODY[1000:1010]
    handler.tag = "two"
    with pytest.raises(InputError, match="changed while it was read"):
        file.read(10)


def test_a_download_waits_for_a_busy_server(server, waits, tmp_path):
    handler, url = server
    handler.faults.plan("/file", 503, Retry_After="3")
    handler.faults.plan("/file", 500)
    assert download([url], tmp_path / "file").read_bytes() == BODY
    assert waits == [3, 2]
    handler.faults.plan("/file", 403)
    with pytest.raises(UnavailableError, match="403"):
        download([url], tmp_path / "other")
