"""Servers on loopback that fail when they are told to: busy, broken, cut off in the middle."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Faults:
    """What goes wrong, each once, in order; and what was asked."""

    planned: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes of answers."""

    def plan(self, part: str, status: int, **headers: str) -> None:
        """The next request for an address with `part` in it gets this status; 0 cuts its answer in half, of a PUT the
        upload itself."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.planned.setdefault(part, []).append((status, named))

    def take(self, address: str) -> tuple[int, dict[str, str]] | None:
        for part, faults in self.planned.items():
            if part in address and faults:
                return faults.pop(0)
        return None


class FaultyHandler(BaseHTTPRequestHandler):
    """Subclasses say `faults` and `do_GET`, and answer by `send`."""

    protocol_version = "HTTP/1.1"
    faults: Faults
    body: bytes
    """What came with the request."""

    def handle_one_request(self) -> None:
        self.partly = False
        super().handle_one_request()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.faults.asked.append(f"{self.command} {self.path}")
        fault = self.faults.take(self.path) if self.command != "HEAD" else None
        if self.command == "PUT" and fault is not None and fault[0] == 0:
            self.rfile.read1(1024)  # type: ignore[attr-defined]
            self.close_connection = True
            return False
        self.body = self._receive()
        if fault is None or fault[0] == 0:
            self.partly = fault is not None
            return True
        self.send(b"not now", fault[1], fault[0])
        return False

    def _receive(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def send(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        """Answer, in part where a range is asked for."""
        headers = dict(headers or {})
        wanted = self.headers.get("Range", "")
        if status == 200 and wanted.startswith("bytes="):
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end) if end else len(body) - 1, len(body) - 1)
            status = 206 if first < len(body) else 416
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}" if status == 206 else f"bytes */{len(body)}"
            body = body[first : last + 1]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            body = body[: len(body) // 2] if self.partly else body
            self.faults.sent += len(body)
            self.wfile.write(body)
        if self.partly:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The server's address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # Polled often: shutting down waits for it.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
