"""Large files from a server that cuts connections, serves another file, or forgets what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.download import download
from infra.errors import InputError, UnavailableError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class FileServer:
    """Serves `CONTENT` at `/file`; `/gone` is not there."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        """The `Range` of each request."""
        self.cut_after: list[int] = []
        """Bytes after which the next connections end; whole when empty."""
        self.ranges = True


@contextmanager
def serving(behaviour: FileServer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/gone":
                return self.send_error(404)
            asked = self.headers.get("Range")
            behaviour.asked.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour.ranges else 0
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            body = CONTENT[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: behaviour.cut_after.pop(0)] if behaviour.cut_after else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(monkeypatch) -> Iterator[tuple[FileServer, str]]:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    behaviour = FileServer()
    with serving(behaviour) as address:
        yield behaviour, address


def test_a_file_comes_whole(server, tmp_path):
    behaviour, address = server
    target = download([f"{address}/gone", f"{address}/file"], tmp_path / "new" / "file", sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["file"]
    download([f"{address}/file"], target)
    assert len(behaviour.asked) == 1, "what is there is not fetched again"


def test_a_cut_connection_is_gone_on_with(server, tmp_path):
    behaviour, address = server
    behaviour.cut_after = [300_000, 200_000]
    assert download([f"{address}/file"], tmp_path / "file").read_bytes() == CONTENT
    assert behaviour.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_the_next_call_goes_on_with_it(server, tmp_path):
    behaviour, address = server
    behaviour.cut_after = [100_000, *[0] * 4]
    with pytest.raises(UnavailableError, match="could not be fetched"):
        download([f"{address}/file"], tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert download([f"{address}/file"], tmp_path / "file").read_bytes() == CONTENT
    assert behaviour.asked[-1] == "bytes=100000-"


@pytest.mark.parametrize("prepare", [lambda server: None, lambda server: setattr(server, "ranges", False)])
def test_what_was_fetched_before(server, tmp_path, prepare: Callable[[FileServer], None]):
    """All of it, or the beginning where the server always begins anew."""
    behaviour, address = server
    prepare(behaviour)
    (tmp_path / "file.part").write_bytes(CONTENT if behaviour.ranges else CONTENT[:1000])
    assert download([f"{address}/file"], tmp_path / "file").read_bytes() == CONTENT


def test_another_file_is_refused(server, tmp_path):
    with pytest.raises(InputError, match="another file than expected"):
        download([f"{server[1]}/file"], tmp_path / "file", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_without_network(tmp_path, monkeypatch):
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE"):
        download(["http://127.0.0.1:9/file"], tmp_path / "file")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(UnavailableError, match="ConnectionError"):
        download(["http://127.0.0.1:9/file"], tmp_path / "file")
