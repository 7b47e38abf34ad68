"""A paginated API on loopback: every way to go on, every way to fail."""

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from fake_api import FakeApi, fake_api

from infra.errors import InputError, UnavailableError
from infra.settings import settings
from prompts.config import SourceConfig
from prompts.sources import find_sources

RECORDS = [{"id": n, "user": f"u{n}", "job": {"prompt": f"a cube with {n} dots"}} for n in range(7)]
TEXTS = [record["job"]["prompt"] for record in RECORDS]
CURSOR = {"next": "cursor", "cursor_parameter": "at"}
LINK = {"next": "links.next"}
PAGE = {"page_parameter": "page"}


@pytest.fixture(autouse=True)
def waits(home, monkeypatch) -> list[float]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    waited: list[float] = []
    monkeypatch.setattr("infra.http.rest", waited.append)
    return waited


def find(url: str, web: dict, **config):
    full = {"records": "data.items", "requests_per_second": 1e6, **web}
    (source,) = find_sources(
        [SourceConfig(**{"path": url, "kind": "web", "field": "job.prompt", "web": full, **config})]
    )
    return source


def texts(url: str, web: dict, **config) -> list[str]:
    rows = pl.concat(find(url, web, **config).batches())
    return rows.filter(pl.col("reason").is_null())["text"].to_list()


@pytest.mark.parametrize("web", [CURSOR, LINK, PAGE])
def test_all_pages_once(web, monkeypatch):
    api = FakeApi(RECORDS)
    with fake_api(api) as url:
        source = find(url, web)
        assert pl.concat(source.batches())["text"].to_list() == TEXTS
        asked = len(api.faults.asked)
        api.records = RECORDS[:2]
        assert texts(url, web) == TEXTS, "the snapshot stands"
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert texts(url, web, refresh=True) == TEXTS
        assert len(api.faults.asked) == asked
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        assert texts(url, web, refresh=True) == TEXTS[:2]
    assert source.kind == "web" and source.file.endswith("/prompts") and source.origin["url"] == url
    kept = b"".join(file.read_bytes() for file in settings().snapshots.rglob("*.jsonl"))
    assert b"u3" not in kept, "nothing but the prompts is kept"


def test_a_server_that_stumbles(waits):
    api = FakeApi(RECORDS)
    api.faults.plan("at=c1", 429, Retry_After="9")
    api.faults.plan("at=c1", 500)
    api.faults.plan("at=c2", 0)
    api.faults.plan("robots.txt", 503)
    with fake_api(api) as url:
        assert texts(url, CURSOR) == TEXTS
    assert 9 in waits


def test_a_stopped_build_goes_on_at_its_page():
    api = FakeApi(RECORDS)
    with fake_api(api) as url:
        for _ in range(2):
            api.faults.plan("at=c2", 503)
        with pytest.raises(UnavailableError, match="after 2 tries"):
            find(url, {**CURSOR, "tries": 2})
        api.faults.asked.clear()
        assert texts(url, CURSOR) == TEXTS
        pages = [asked for asked in api.faults.asked if "robots" not in asked]
        assert pages == ["GET /prompts?at=c2", "GET /prompts?at=c3"]
    assert not list(settings().snapshots.rglob(".partial*"))


def test_a_killed_build_goes_on_at_its_page(home):
    api = FakeApi(RECORDS)
    children: list[subprocess.Popen[bytes]] = []
    api.asked = lambda path: children[0].kill() if "at=c2" in path else None
    with fake_api(api) as url:
        web = {"records": "data.items", "requests_per_second": 1e6, **CURSOR}
        config = {"path": url, "kind": "web", "field": "job.prompt", "web": web}
        code = (
            f"from prompts.sources import *; from prompts.config import *; find_sources([SourceConfig(**{config!r})])"
        )
        children.append(subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]))
        assert children[0].wait(120) == -signal.SIGKILL
        assert not list(home.rglob("manifest.json"))
        api.faults.asked.clear()
        assert texts(url, CURSOR) == TEXTS
        assert [one for one in api.faults.asked if "robots" not in one] == ["GET /prompts?at=c2", "GET /prompts?at=c3"]


@pytest.mark.parametrize("web", [CURSOR, LINK])
def test_pages_in_a_circle(web):
    with fake_api(FakeApi(RECORDS, circle_to=1)) as url, pytest.raises(InputError, match="page 5 repeats page 2"):
        find(url, web)


def test_beyond_the_last_page_the_last_page_again():
    with fake_api(FakeApi(RECORDS, repeats_last=True)) as url:
        assert texts(url, PAGE) == TEXTS


def test_bounds():
    api = FakeApi(RECORDS)
    with fake_api(api) as url:
        assert texts(url, {**CURSOR, "max_pages": 2}) == TEXTS[:4]
        api.faults.asked.clear()
        assert texts(url, {**CURSOR, "max_rows": 3}) == TEXTS[:3]
        assert len(api.faults.asked) == 3, "robots.txt and two pages"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>busy</html>", r"page 2 .*is not JSON but application/json"),
        (b'{"data": {"items": [1', "page 2 .*is not JSON"),
        (b"\xff\xfe\x00", "page 2 .*is not JSON"),
        (b"[" * 200_000, "page 2 .*is not JSON"),
        (b'{"data": {"rows": []}}', "page 2 .*`data.items` is no list"),
        (b'{"data": {"items": []}, "cursor": {"a": 1}}', "page 2 .*neither a cursor nor an address"),
        (b'{"data": {"items": []}, "cursor": "c1"}', "page 2 .*names itself"),
    ],
)
def test_a_page_that_is_none_is_named(body, message):
    api = FakeApi(RECORDS, pages={1: body})
    with fake_api(api) as url:
        with pytest.raises(InputError, match=message):
            find(url, CURSOR)
        api.pages.clear()
        assert texts(url, CURSOR) == TEXTS, "the first page was kept, the second is asked again"
        assert sum(asked == "GET /prompts" for asked in api.faults.asked) == 1


def test_one_server_only():
    api = FakeApi(RECORDS, pages={0: b'{"data": {"items": []}, "links": {"next": "http://elsewhere.invalid/"}}'})
    with fake_api(api) as url, pytest.raises(InputError, match=r"another server: http://elsewhere\.invalid/"):
        find(url, LINK)


def test_records_of_all_kinds():
    records = ["a bare string", {"job": {}}, {"job": {"prompt": None}}, {"job": {"prompt": 3}}, None, ["x"]]
    with fake_api(FakeApi(records)) as url:
        rows = pl.concat(find(url, CURSOR).batches())
    assert rows["reason"].to_list() == [None, "missing", "missing", "not_text", "missing", "not_text"]


def test_the_field_is_found_by_its_name():
    with fake_api(FakeApi([{"id": "x", "prompt": "a cube"}])) as url:
        assert texts(url, CURSOR, field=None) == ["a cube"]
    with fake_api(FakeApi([{"x": "a", "y": "b"}])) as url, pytest.raises(InputError, match="x, y"):
        find(url, CURSOR, field=None)


def test_robots(waits):
    api = FakeApi(RECORDS, robots="User-agent: *\nCrawl-delay: 50\nDisallow: /private\n")
    with fake_api(api) as url:
        assert texts(url, CURSOR) == TEXTS
        assert len([wait for wait in waits if 40 < wait <= 50]) == 4
        with pytest.raises(InputError, match=r"robots\.txt"):
            find(f"{api.address}/private", CURSOR)
    assert not any("private" in asked for asked in api.faults.asked)


def test_a_token_is_sent_and_not_kept(monkeypatch):
    monkeypatch.delenv("TOYS_TOKEN", raising=False)
    with fake_api(FakeApi(RECORDS, token="secret")) as url:
        with pytest.raises(InputError, match="401"):
            find(url, CURSOR)
        with pytest.raises(InputError, match="TOYS_TOKEN"):
            find(url, {**CURSOR, "token_variable": "TOYS_TOKEN"})
        monkeypatch.setenv("TOYS_TOKEN", "secret")
        assert texts(url, {**CURSOR, "token_variable": "TOYS_TOKEN"}) == TEXTS
    kept = b"".join(file.read_bytes() for file in settings().snapshots.rglob("*") if file.is_file())
    assert b"secret" not in kept


@pytest.mark.parametrize("web", [{**PAGE, "next": "x"}, {"cursor_parameter": "at"}])
def test_there_is_one_way_on(web):
    with pytest.raises(ValueError, match=r"`(page|cursor)_parameter`"):
        SourceConfig(path="http://x.invalid/", kind="web", web=web)
