"""A Hugging Face Hub on loopback that data sets are pushed to: repositories in memory, with commits and tags.

Large files come in either way that the Hub's library knows: one request for each, or in chunks by `hf_xet`.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import yaml
from fake_server import Faults, FaultyHandler, serving
from fake_xet import read_shard

WRITER, READER = "hf_writer", "hf_reader"
"""Tokens of the two users."""


@dataclass
class Repository:
    """One data set."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Hash → files, the newest last."""
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("initial commit", {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})

    @property
    def main(self) -> str:
        return list(self.commits)[-1]

    def commit(self, message: str, files: dict[str, bytes]) -> str:
        content = "".join(f"{name} {oid(name, body)}\n" for name, body in sorted(files.items()))
        commit = sha1(f"{len(self.commits)} {message}\n{content}".encode()).hexdigest()
        self.commits[commit] = files
        self.messages.append(message)
        return commit

    def resolve(self, revision: str) -> str | None:
        if revision == "main":
            return self.main
        return self.tags.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Hub:
    """What it has, and what goes wrong."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files by SHA-256, also of pushes that never came to a commit."""
    xorbs: dict[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[name]
        commit = repository.resolve(revision)
        assert commit, f"no revision {revision}"
        return repository.commits[commit]


def is_large(name: str) -> bool:
    """Whether a file is kept apart, as `.gitattributes` says."""
    return name.endswith(".parquet")


def oid(name: str, body: bytes) -> str:
    """As git names a file, or large ones their content."""
    return sha256(body).hexdigest() if is_large(name) else sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Refused(Exception):  # noqa: N818
    """An answer other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "", **content: str) -> None:
        super().__init__(status)
        self.status, self.content = status, content
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}


@contextmanager
def hub_store(hub: Hub) -> Iterator[str]:
    """Serve `hub`; yields the address for `HF_ENDPOINT`."""

    class Handler(FaultyHandler):
        faults = hub.faults

        def do_GET(self) -> None:  # noqa: N802
            address = f"http://{self.headers['Host']}"
            asked = urlparse(self.path)
            path, query = unquote(asked.path), parse_qs(asked.query)
            try:
                for methods, pattern, answer in _ROUTES:
                    if (found := re.fullmatch(pattern, path)) and self.command in methods:
                        request = Request(hub, address, self._user(), query, self.body)
                        return self._answer(answer(request, *found.groups()))
                raise Refused(404, error=f"{self.command} {path}")
            except Refused as refused:
                self.send(json.dumps(refused.content).encode(), refused.headers, refused.status)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

        def _user(self) -> str | None:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
            if given not in (None, WRITER, READER):
                raise Refused(401, message="Invalid credentials in Authorization header")
            return given

        def _answer(self, content: Any) -> None:
            if isinstance(content, tuple):
                return self.send(*content)
            self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    with serving(Handler) as address:
        yield address


@dataclass(frozen=True)
class Request:
    hub: Hub
    address: str
    token: str | None
    query: dict[str, list[str]]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    def repository(self, name: str, *, to_write: bool = False) -> Repository:
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.token):
            raise Refused(404 if self.token else 401, "RepoNotFound", "Repository not found")
        if to_write:
            self.may_write()
        return found

    def may_write(self) -> None:
        if not self.token:
            raise Refused(401, error="Invalid username or password.")
        if self.token != WRITER:
            raise Refused(403, message="you don't have the right to write here")

    def commit(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repository = self.repository(name)
        commit = repository.resolve(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repository.commits[commit]


def _whoami(request: Request) -> dict[str, Any]:
    if not request.token:
        raise Refused(401, error="Invalid username or password.")
    role = "write" if request.token == WRITER else "read"
    about = {"type": "user", "name": "somebody", "orgs": [{"type": "org", "name": "toymakers"}]}
    return {**about, "auth": {"type": "access_token", "accessToken": {"displayName": "mine", "role": role}}}


def _create(request: Request) -> dict[str, Any]:
    asked = request.json()
    request.may_write()
    assert asked["type"] == "dataset"
    name = f"{asked['organization']}/{asked['name']}"
    url = f"{request.address}/datasets/{name}"
    if name in request.hub.repositories:
        raise Refused(409, error="You already created this dataset repo", url=url)
    private = asked.get("private") or asked.get("visibility") == "private"
    request.hub.repositories[name] = Repository(bool(private))
    return {"url": url}


def _validate_card(request: Request) -> dict[str, Any]:
    front = yaml.safe_load(request.json()["content"].split("---")[1])
    assert front["license"] and front["configs"]
    return {"errors": [], "warnings": []}


def _preupload(request: Request, name: str, revision: str) -> dict[str, Any]:
    request.repository(name, to_write=True)
    _, files = request.commit(name, revision)
    modes = []
    for file in request.json()["files"]:
        path = file["path"]
        mode = {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False}
        modes.append({**mode, **({"oid": oid(path, files[path])} if path in files else {})})
    return {"files": modes}


def _large_files(request: Request, name: str) -> dict[str, Any]:
    request.repository(name, to_write=True)
    objects = []
    for wanted in request.json()["objects"]:
        upload = {"upload": {"href": f"{request.address}/large/{wanted['oid']}"}}
        objects.append({**wanted, **({} if wanted["oid"] in request.hub.objects else {"actions": upload})})
    return {"transfer": "basic", "objects": objects}


def _receive(request: Request, digest: str, body: bytes | None = None) -> tuple[bytes]:
    body = request.body if body is None else body
    if sha256(body).hexdigest() != digest:
        raise Refused(400, error="the content is another")
    request.hub.objects[digest] = body
    return (b"",)


def _admit(request: Request, name: str, _: str) -> dict[str, Any]:
    request.repository(name, to_write=True)
    return {"casUrl": request.address, "accessToken": WRITER, "exp": int(time.time()) + 3600}


def _receive_xorb(request: Request, digest: str) -> dict[str, Any]:
    request.may_write()
    request.hub.xorbs[digest] = request.body
    return {"was_inserted": True}


def _receive_shard(request: Request) -> dict[str, Any]:
    request.may_write()
    for digest, body in read_shard(request.body, request.hub.xorbs):
        _receive(request, digest, body)
    return {"result": 1}


def _commit(request: Request, name: str, revision: str) -> dict[str, Any]:
    repository = request.repository(name, to_write=True)
    _, files = request.commit(name, revision)
    header, *operations = (json.loads(line) for line in request.body.splitlines())
    files = dict(files)
    for operation in operations:
        value = operation["value"]
        if operation["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif operation["key"] == "lfsFile":
            if len(request.hub.objects.get(value["oid"], b"")) != value["size"]:
                raise Refused(400, error=f"{value['path']} was not uploaded")
            files[value["path"]] = request.hub.objects[value["oid"]]
        elif operation["key"] == "deletedFile" and value["path"] in files:
            del files[value["path"]]
        else:
            raise Refused(400, error=f"cannot do {operation['key']} {value['path']}")
    commit = repository.commit(header["value"]["summary"], files)
    return {"commitOid": commit, "commitUrl": f"{request.address}/datasets/{name}/commit/{commit}"}


def _tag(request: Request, name: str, revision: str) -> dict[str, Any]:
    tags, tag = request.repository(name, to_write=True).tags, request.json()["tag"]
    if tag in tags:
        raise Refused(409, error="Tag reference exists already")
    tags[tag], _ = request.commit(name, revision)
    return {}


def _describe(request: Request, name: str, revision: str | None) -> dict[str, Any]:
    commit, files = request.commit(name, revision or "main")
    card = yaml.safe_load(files["README.md"].decode().split("---")[1]) if "README.md" in files else {}
    siblings = [{"rfilename": file} for file in sorted(files)]
    return {"id": name, "sha": commit, "siblings": siblings, "cardData": card, "private": True, "tags": []}


def _tree(request: Request, name: str, revision: str, folder: str | None) -> list[dict[str, Any]]:
    _, files = request.commit(name, revision)
    start = f"{folder}/" if folder else ""
    inside = {file: body for file, body in sorted(files.items()) if file.startswith(start)}
    if request.query.get("recursive", ["false"])[0].lower() == "true":
        return [_entry(file, body) for file, body in inside.items()]
    folders = {start + file.removeprefix(start).partition("/")[0] for file in inside} - inside.keys()
    here = [_entry(file, body) for file, body in inside.items() if "/" not in file.removeprefix(start)]
    return [_folder(path) for path in sorted(folders)] + here


def _paths(request: Request, name: str, revision: str) -> list[dict[str, Any]]:
    _, files = request.commit(name, revision)
    asked = request.json()["paths"]
    folders = [path for path in asked if any(file.startswith(f"{path}/") for file in files)]
    return [_entry(path, files[path]) for path in asked if path in files] + [_folder(path) for path in folders]


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": sha1(path.encode()).hexdigest()}


def _entry(file: str, body: bytes) -> dict[str, Any]:
    large = {"lfs": {"oid": oid(file, body), "size": len(body), "pointerSize": 130}} if is_large(file) else {}
    return {"type": "file", "path": file, "size": len(body), "oid": oid(file, body)[:40], **large}


def _file(request: Request, name: str, revision: str, path: str) -> tuple[bytes, dict[str, str]]:
    commit, files = request.commit(name, revision)
    if path not in files:
        raise Refused(404, "EntryNotFound", "Entry not found")
    return files[path], {"ETag": f'"{oid(path, files[path])}"', "X-Repo-Commit": commit}


_NAME, _REVISION = r"/api/datasets/([^/]+/[^/]+)", "/([^/]+)"
_ROUTES: list[tuple[tuple[str, ...], str, Callable[..., Any]]] = [
    (("GET",), "/api/whoami-v2", _whoami),
    (("POST",), "/api/repos/create", _create),
    (("POST",), "/api/validate-yaml", _validate_card),
    (("POST",), f"{_NAME}/preupload{_REVISION}", _preupload),
    (("POST",), r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", _large_files),
    (("PUT",), "/large/([0-9a-f]{64})", _receive),
    (("GET",), f"{_NAME}/xet-write-token{_REVISION}", _admit),
    (("POST",), "/v1/xorbs/default/([0-9a-f]{64})", _receive_xorb),
    (("POST",), "/v1/shards", _receive_shard),
    (("POST",), f"{_NAME}/commit{_REVISION}", _commit),
    (("POST",), f"{_NAME}/tag{_REVISION}", _tag),
    (("GET",), f"{_NAME}(?:/revision{_REVISION})?", _describe),
    (("GET",), f"{_NAME}/tree{_REVISION}(?:/(.+))?", _tree),
    (("POST",), f"{_NAME}/paths-info{_REVISION}", _paths),
    (("GET", "HEAD"), f"/datasets/([^/]+/[^/]+)/resolve{_REVISION}/(.+)", _file),
]
