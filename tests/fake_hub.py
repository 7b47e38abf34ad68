"""A Hugging Face Hub on loopback: folders as repositories, each at one revision."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse


@contextmanager
def fake_hub(
    repositories: dict[str, Path],
    damaged: tuple[str, ...] = (),
    datasets: dict[str, Path] | None = None,
    gated: tuple[str, ...] = (),
    sent: list[int] | None = None,
) -> Iterator[str]:
    """Serve `{"owner/name": folder}`; yields the address for `HF_ENDPOINT`.

    Args:
        repositories: of models.
        damaged: names of files that come with one bit turned over.
        datasets: of data sets.
        gated: those whose terms nobody here has accepted.
        sent: gets the size of every body of a data set's file.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlparse(self.path).path)
            if re.match(r"/(api/)?datasets/", path):
                return self._dataset(path)
            for name, folder in repositories.items():
                # Any commit is this one: recipes pin those of the real Hub.
                pinned = re.search(r"/(?:revision|resolve|tree)/([0-9a-f]{40})(?:/|$)", path)
                commit = pinned[1] if pinned else commit_of(folder)
                files = sorted(file for file in folder.rglob("*") if file.is_file())
                if path.startswith(f"/api/models/{name}/revision/"):
                    names = [{"rfilename": file.relative_to(folder).as_posix()} for file in files]
                    return self._json({"id": name, "sha": commit, "siblings": names})
                if path.startswith(f"/api/models/{name}/tree/"):
                    return self._json(
                        [
                            {
                                "type": "file",
                                "path": file.relative_to(folder).as_posix(),
                                "size": file.stat().st_size,
                                "oid": digest_of(file),
                                **({"lfs": large_entry(file)} if is_large(file) else {}),
                            }
                            for file in files
                        ]
                    )
                if path.startswith(f"/{name}/resolve/"):
                    file = folder / path.removeprefix(f"/{name}/resolve/").partition("/")[2]
                    if not file.is_file():
                        return self._send(b"{}", {"X-Error-Code": "EntryNotFound"}, status=404)
                    body = file.read_bytes()
                    if file.name in damaged and self.command == "GET":
                        body = bytes([body[0] ^ 1]) + body[1:]
                    return self._send(body, {"ETag": f'"{digest_of(file)}"', "X-Repo-Commit": commit})
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return self._send(b"{}", missing, status=404)

        def _dataset(self, path: str) -> None:
            for name, folder in (datasets or {}).items():
                if path in (f"/api/datasets/{name}", f"/api/datasets/{name}/revision/{commit_of(folder)}"):
                    if name in gated:
                        return self._send(b"{}", {"X-Error-Code": "GatedRepo"}, status=403)
                    names = [
                        {"rfilename": file.relative_to(folder).as_posix()}
                        for file in folder.rglob("*")
                        if file.is_file()
                    ]
                    return self._json({"id": name, "sha": commit_of(folder), "siblings": names})
                if path.startswith(f"/api/datasets/{name}/revision/"):
                    return self._send(b"{}", {"X-Error-Code": "RevisionNotFound"}, status=404)
                if path.startswith(f"/datasets/{name}/resolve/{commit_of(folder)}/"):
                    file = folder / path.partition(f"/resolve/{commit_of(folder)}/")[2]
                    return self._part(
                        file.read_bytes(), {"ETag": f'"{digest_of(file)}"', "X-Repo-Commit": commit_of(folder)}
                    )
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self._send(b"{}", missing, status=404)

        def _part(self, body: bytes, headers: dict[str, str]) -> None:
            """All of it, or the range that was asked for."""
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            size, status = len(body), 200
            if asked:
                first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
                body, status = body[first : last + 1], 206
                headers = {**headers, "Content-Range": f"bytes {first}-{last}/{size}"}
            if sent is not None and self.command == "GET":
                sent.append(len(body))
            self._send(body, {**headers, "Accept-Ranges": "bytes"}, status=status)

        do_HEAD = do_GET  # noqa: N815

        def _json(self, content: object) -> None:
            self._send(json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _send(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

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


def commit_of(folder: Path) -> str:
    """A commit's hash, which changes with the content."""
    return sha1("".join(digest_of(file) for file in sorted(folder.rglob("*")) if file.is_file()).encode()).hexdigest()


def is_large(file: Path) -> bool:
    """Whether a file is kept apart from the repository, under its SHA-256."""
    return file.suffix in (".safetensors", ".pt")


def large_entry(file: Path) -> dict[str, object]:
    return {"oid": digest_of(file), "size": file.stat().st_size, "pointerSize": 130}


def digest_of(file: Path) -> str:
    return (sha256 if is_large(file) else sha1)(file.read_bytes()).hexdigest()
