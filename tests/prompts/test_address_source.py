"""Files at addresses: a web server on loopback, and a store of fsspec."""

import gzip
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO

import fsspec
import polars as pl
import pytest
from fake_server import Faults, FaultyHandler, serving

from infra.errors import InputError, UnavailableError
from prompts.config import SourceConfig
from prompts.sources import find_sources

LINES = b"a red cube\na blue cone\n"


@pytest.fixture(autouse=True)
def _network(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("infra.http.rest", lambda _: None)


class Site:
    """Files of a web server."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults = Faults()
        self.ranges = True
        self.tags = True
        self.address = ""


@pytest.fixture
def site():
    found = Site()

    class Handler(FaultyHandler):
        faults = found.faults

        def do_GET(self) -> None:  # noqa: N802
            body = found.files.get(self.path)
            if not found.ranges:
                del self.headers["Range"]
            if body is None:
                return self.send(b"", status=404)
            self.send(body, {"ETag": f'"{sha256(body).hexdigest()}"'} if found.tags else {})

        do_HEAD = do_GET  # noqa: N815

    with serving(Handler) as found.address:
        yield found


@pytest.fixture
def store():
    """A store in memory, which outlives nothing."""
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/", recursive=True)


def find(path: str, **config):
    (source,) = find_sources([SourceConfig(path=path, **config)])
    return source


def texts(path: str, **config) -> list[str]:
    return pl.concat(find(path, **config).batches())["text"].to_list()


def parquet(*prompts: str) -> bytes:
    stream = BytesIO()
    pl.DataFrame({"prompt": prompts, "image": [b"x" * 9 for _ in prompts]}).write_parquet(stream)
    return stream.getvalue()


def test_a_file_of_a_web_server(site, monkeypatch):
    site.files["/d/toys.txt.gz"] = gzip.compress(LINES * 5000)
    for status in (429, 500, 0):
        site.faults.plan("toys", status)
    url = f"{site.address}/d/toys.txt.gz"
    source = find(url)
    assert (source.name, source.kind, source.file) == ("toys", "text", "toys.txt.gz")
    assert len(pl.concat(source.batches())) == 10_000
    asked = len(site.faults.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find(url, refresh=True).digest == source.digest
    assert len(site.faults.asked) == asked


def test_the_newest_is_fetched_when_asked_for(site):
    site.files["/toys.txt"] = LINES
    url = f"{site.address}/toys.txt"
    assert texts(url) == ["a red cube", "a blue cone"]
    site.files["/toys.txt"] = b"a green ball\n"
    assert texts(url) == ["a red cube", "a blue cone"]
    assert texts(url, refresh=True) == ["a green ball"]
    pinned = {"revision": sha256(site.files["/toys.txt"]).hexdigest()}
    assert texts(url, **pinned) == ["a green ball"]
    site.files.clear()
    assert texts(url, **pinned, refresh=True) == ["a green ball"], "a pinned file is never fetched again"
    site.files["/toys.txt"] = LINES
    with pytest.raises(InputError, match="another file than expected"):
        find(url, revision="0" * 64)


@pytest.mark.parametrize("ranges", [True, False])
def test_of_parquet_only_the_text(site, ranges):
    site.ranges = ranges
    site.files["/toys.parquet"] = parquet("a red cube", "a blue cone")
    assert texts(f"{site.address}/toys.parquet") == ["a red cube", "a blue cone"]


def test_a_file_that_changes_while_it_is_fetched(site, monkeypatch):
    site.files["/toys.txt"] = LINES
    from prompts.sources import cloud

    fetch = cloud.download

    def meanwhile(*arguments, **options):
        fetch(*arguments, **options)
        site.files["/toys.txt"] = b"a green ball\n"

    monkeypatch.setattr(cloud, "download", meanwhile)
    with pytest.raises(InputError, match="changed while it was fetched"):
        find(f"{site.address}/toys.txt")
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


def test_a_server_that_tells_no_versions(site):
    site.tags = False
    site.files["/toys.txt"] = LINES
    assert len(texts(f"{site.address}/toys.txt")) == 2


def test_what_cannot_be_had(site, monkeypatch):
    with pytest.raises(InputError, match="there is no file"):
        find(f"{site.address}/none.txt")
    with pytest.raises(InputError, match="kind of this file is not known"):
        find(f"{site.address}/page")
    with pytest.raises(InputError, match="SHA-256"):
        find(f"{site.address}/toys.txt", revision="main")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE"):
        find(f"{site.address}/toys.txt")


def test_files_of_a_store(store):
    store.pipe("/box/a.txt", LINES)
    store.pipe("/box/b.txt", b"a green ball\n")
    store.pipe("/box/c.parquet", parquet("a gold ring"))
    source = find("memory://box/*.txt")
    assert source.name == "box"
    assert pl.concat(source.batches())["text"].to_list() == ["a red cube", "a blue cone", "a green ball"]
    assert texts("memory://box/c.parquet") == ["a gold ring"]
    store.pipe("/box/b.txt", b"a grey ball\n")
    assert find("memory://box/*.txt").digest == source.digest
    assert texts("memory://box/*.txt", refresh=True)[-1] == "a grey ball"
    with pytest.raises(InputError, match="there is no file"):
        find("memory://box/*.csv")


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_library_that_is_missing_is_named():
    with pytest.raises(UnavailableError) as caught:
        find("s3://bucket/toys.txt")
    assert "s3fs" in caught.value.message and "prd-pipeline[cloud]" in caught.value.hint


def test_an_address_of_no_known_kind():
    with pytest.raises(InputError, match="gopher"):
        find("gopher://somewhere/toys.txt")
