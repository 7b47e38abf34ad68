"""A Hugging Face Hub on loopback: folders as repositories of models and data sets, each at one revision."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1, sha256
from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml
from fake_server import Faults, FaultyHandler, serving


@contextmanager
def fake_hub(
    repositories: dict[str, Path],
    damaged: tuple[str, ...] = (),
    *,
    data_sets: Mapping[str, Path] | None = None,
    gated: tuple[str, ...] = (),
    failures: Faults | None = None,
) -> Iterator[str]:
    """Serve `{"owner/name": folder}`; yields the address for `HF_ENDPOINT`.

    Args:
        repositories: models.
        damaged: names of files that come with one bit turned over.
        data_sets: a folder that changes is at another commit.
        gated: data sets that want a token.
        failures: what goes wrong, and what was asked.
    """

    class Handler(FaultyHandler):
        faults = failures or Faults()

        def do_GET(self) -> None:  # noqa: N802
            path = unquote(urlparse(self.path).path)
            for name, folder in (data_sets or {}).items():
                if path.startswith((f"/api/datasets/{name}/", f"/datasets/{name}/")):
                    return self._data_set(name, folder, path)
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
                        return self.send(b"{}", {"X-Error-Code": "EntryNotFound"}, status=404)
                    body = file.read_bytes()
                    if file.name in damaged and self.command == "GET":
                        body = bytes([body[0] ^ 1]) + body[1:]
                    return self.send(body, {"ETag": f'"{digest_of(file)}"', "X-Repo-Commit": commit})
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return self.send(b"{}", missing, status=404)

        do_HEAD = do_GET  # noqa: N815

        def _json(self, content: object) -> None:
            self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _data_set(self, name: str, folder: Path, path: str) -> None:
            if name in gated and not self.headers.get("Authorization"):
                return self.send(b"{}", {"X-Error-Code": "GatedRepo"}, status=401)
            commit = commit_of(folder)
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            wanted = re.search(r"/(?:revision|resolve)/([^/]+)", path)
            if not wanted or wanted[1] not in ("main", commit):
                return self.send(b"{}", {"X-Error-Code": "RevisionNotFound"}, status=404)
            if path.startswith("/api/"):
                names = [{"rfilename": file.relative_to(folder).as_posix()} for file in files]
                return self._json({"id": name, "sha": commit, "siblings": names, "cardData": _card(folder)})
            file = folder / path.partition(f"/resolve/{wanted[1]}/")[2]
            if not file.is_file():
                return self.send(b"{}", {"X-Error-Code": "EntryNotFound"}, status=404)
            self.send(file.read_bytes(), {"ETag": f'"{digest_of(file)}"', "X-Repo-Commit": commit})

    with serving(Handler) as address:
        yield address


def _card(folder: Path) -> dict[str, object]:
    readme = folder / "README.md"
    return yaml.safe_load(readme.read_text().split("---")[1]) if readme.is_file() else {}


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
