"""What reaches a Hub on loopback when a version is published by the Hub's own library, and what readers get of it."""

import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml
from fake_hub_store import READER, WRITER, Hub, hub_store

from infra.errors import InputError, MissingError, UnavailableError
from prompts.build import build_corpus
from prompts.config import CorpusConfig, SourceConfig
from prompts.publishing import push
from prompts.sources import find_sources

NAME = "somebody/prompts"
LOAD = """
import sys, datasets
rows = datasets.load_dataset(sys.argv[1], split="train", revision=sys.argv[2] or None)
print("\\n".join(rows["text"]))
"""


@pytest.fixture
def waits(home, monkeypatch) -> list[float]:
    """The network is open, there is a token, and nobody really waits: how long we were about to."""
    from huggingface_hub import constants

    waited: list[float] = []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("infra.http.rest", waited.append)
    monkeypatch.setattr("prompts.publishing.rest", waited.append)
    clock = SimpleNamespace(**{**vars(time), "sleep": waited.append})
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
    return waited


@pytest.fixture
def hub(waits, monkeypatch):
    from huggingface_hub import constants

    with hub_store(hub := Hub()) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        yield hub


@pytest.fixture
def build(tmp_path):
    """`build(lines, **configuration)` → a version of a corpus whose sources are in a folder that nobody may know."""

    def make(lines: list[str], keep_going: bool = False, sources: tuple[str, ...] = (), **configuration) -> Path:
        path = tmp_path / "my own" / "toys.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = CorpusConfig.model_validate({"name": "toys", "sources": [str(path), *sources], **configuration})
        return build_corpus(config, tmp_path / "corpora", keep_going=keep_going)

    return make


@pytest.fixture
def folder(build) -> Path:
    return build(["a red cube", "a blue cone", "a red cube"])


def texts(folder: Path) -> list[str]:
    return pl.read_parquet(folder / "data" / "train-*.parquet")["text"].to_list()


def read_back(revision: str | None = None) -> list[str]:
    """Through our own source."""
    (source,) = find_sources([SourceConfig(path=NAME, kind="hf", field="text", revision=revision, refresh=True)])
    return pl.concat(source.batches())["text"].to_list()


def load(cache: Path, revision: str = "") -> list[str]:
    """Through `datasets`, which reads the environment when it is imported."""
    environment = {**os.environ, "HF_DATASETS_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(cache)}
    command = [sys.executable, "-c", LOAD, NAME, revision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_readers_get_the_rows_that_were_built(folder, hub, tmp_path):
    address = push(folder, NAME)
    assert address.endswith(f"/datasets/{NAME}") and hub.repositories[NAME].private
    assert hub.repositories[NAME].messages == ["initial commit", f"version {folder.name}: 2 prompts"]
    assert hub.repositories[NAME].tags == {folder.name: hub.repositories[NAME].main}
    assert texts(folder) == read_back() == read_back(folder.name) == load(tmp_path / "cache")
    sent = hub.files(NAME)
    for name, body in sent.items():
        if name.endswith((".parquet", ".svg", ".yaml")):
            assert body == (folder / name).read_bytes(), name


def test_a_later_version_takes_the_place_of_an_earlier(build, hub, tmp_path):
    first = build(["a red cube", "a blue cone", "a green torus", "a yellow pyramid", "a gold ring"], holdout=0.5)
    second = build(["a silver spoon", "a wooden chair"])
    push(first, NAME)
    hub.repositories[NAME].commit("by hand", {**hub.files(NAME), "LICENSE": b"mine"})
    push(second, NAME)
    assert [name for name in hub.files(NAME, first.name) if name.startswith("data/holdout-")]
    data = {f"data/{file.name}" for file in (second / "data").iterdir()}
    assert {name for name in hub.files(NAME) if name.startswith("data/")} == data
    assert hub.files(NAME)["LICENSE"] == b"mine"
    assert texts(second) == read_back() == read_back(second.name) == load(tmp_path / "cache")
    assert texts(first) == read_back(first.name) == load(tmp_path / "cache", first.name)
    assert f'revision="{second.name}"' in hub.files(NAME)["README.md"].decode()


def test_nothing_that_is_sent_names_a_place_on_this_machine(build, hub, tmp_path):
    folder = build(
        ["a red cube", "a blue cone", "!!!"],
        keep_going=True,
        sources=(str(tmp_path / "my own" / "gone.txt"), "https://me:secret@127.0.0.1:9/a.txt?key=secret", "sample:solids"),
        evaluation_prompts=[str(tmp_path / "my own" / "toys.txt")] and "sample:evaluation",
    )
    (folder / ".README.md.123").write_text("left over by a crash")
    (folder / "notes.txt").write_text("put here by hand")
    push(folder, NAME)
    sent = hub.files(NAME)
    built = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert set(sent) == built - {"text.arrow", ".README.md.123", "notes.txt"} | {".gitattributes"}
    for name, body in sent.items():
        shown = body if not name.endswith(".parquet") else repr(pl.read_parquet(body).to_dicts()).encode() + body
        for secret in (str(tmp_path), "my own", str(Path.home()), "secret", WRITER, "PATH/TO"):
            assert secret.encode() not in shown, f"{secret} in {name}"

    manifest = json.loads(sent["manifest.json"])
    recipe = CorpusConfig.model_validate(manifest["facts"]["recipe"])
    assert [source.path for source in recipe.sources] == ["toys.txt", "gone.txt", "https://127.0.0.1:9/a.txt", "sample:solids"]
    own = {*sent} - {".gitattributes", "manifest.json"}
    assert {name: entry["sha256"] for name, entry in manifest["outputs"].items()} == {
        name: sha256(sent[name]).hexdigest() for name in own
    }
    missing = json.loads(sent["stats.json"])["missing"]
    assert missing[0] == {"name": "gone", "path": "gone.txt", "reason": "there is no file gone.txt"}
    assert missing[1]["path"] == "https://127.0.0.1:9/a.txt"
    assert yaml.safe_load(sent["config.yaml"])["sources"][0]["file"] == "toys.txt"


def test_a_hub_that_stumbles(folder, hub, waits):
    for part in ("/api/repos/create", "/tree/", "/preupload/", "/lfs/objects/batch", "/large/", "/commit/", "/tag/"):
        hub.faults.plan(part, 429, Retry_After="3")
        hub.faults.plan(part, 503)
    hub.faults.plan("/large/", 0)
    push(folder, NAME)
    assert len(hub.repositories[NAME].commits) == 2 and read_back() == texts(folder)
    assert {3.0, 4.0} & set(waits), "as long as it was told"


def test_what_has_arrived_is_not_sent_again(folder, hub):
    hub.faults.plan("/commit/", 0)  # it came to pass, but nobody heard of it
    push(folder, NAME)
    push(folder, NAME)
    assert len(hub.repositories[NAME].commits) == 2
    uploads = [asked for asked in hub.faults.asked if asked.startswith("PUT")]
    assert len(uploads) == len(set(uploads)) == len(hub.objects)


@pytest.mark.parametrize("part", ["/api/repos/create", "/preupload/", "/large/", "/commit/", "/tag/"])
def test_a_push_that_failed_half_way_is_repeated(folder, hub, part):
    """Down for as long as anybody tries."""
    for _ in range(100):
        hub.faults.plan(part, 502)
    with pytest.raises(UnavailableError, match=rf"{NAME} could not be published: .*502") as caught:
        push(folder, NAME)
    assert "same command again" in caught.value.hint
    if NAME in hub.repositories and part != "/tag/":
        assert set(hub.files(NAME)) == {".gitattributes"}, "readers see nothing of it"
    hub.faults.planned.clear()
    push(folder, NAME)
    assert read_back(folder.name) == texts(folder) and len(hub.repositories[NAME].commits) == 2


def test_an_upload_that_is_always_cut(folder, hub):
    for _ in range(100):
        hub.faults.plan("/large/", 0)
    with pytest.raises(UnavailableError, match=f"{NAME} could not be published"):
        push(folder, NAME)


def test_who_may_not_write(folder, hub, monkeypatch):
    push(folder, NAME)
    monkeypatch.setenv("HF_TOKEN", READER)
    for name in (NAME, "somebody/else"):
        with pytest.raises(UnavailableError, match="this token may not write there") as caught:
            push(folder, name)
        assert "somebody" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_forged")
    with pytest.raises(UnavailableError, match="does not know this token"):
        push(folder, NAME)
    assert len(hub.repositories[NAME].commits) == 2


def test_rate_limits_that_do_not_end(folder, hub):
    hub.faults.plan("/api/repos/create", 429, Retry_After="3600")
    with pytest.raises(UnavailableError, match="429") as caught:
        push(folder, NAME)
    assert caught.value.hint.startswith("wait")


def test_a_network_that_is_gone(folder, waits, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 does not answer"):
        push(folder, NAME)


def test_nobody_is_asked_in_vain(folder, hub, monkeypatch):
    for name in ("prompts", "a/b/c", "some body/prompts", ""):
        with pytest.raises(InputError, match="no name of a data set"):
            push(folder, name)
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(UnavailableError, match="there is no token"):
        push(folder, NAME)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE forbids"):
        push(folder, NAME)
    assert not hub.faults.asked


def test_only_a_finished_corpus_is_sent(folder, tmp_path, hub):
    with pytest.raises(MissingError):
        push(tmp_path, NAME)
    (prepared,) = (tmp_path / "corpora" / ".prepared").glob("*/manifest.json")
    with pytest.raises(InputError, match="no corpus"):
        push(prepared.parent, NAME)
    (folder / "clusters.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="damaged"):
        push(folder, NAME)
    assert not hub.faults.asked


def test_by_the_command_line(hub, tmp_path):
    (tmp_path / "toys.txt").write_text("a red cube\na blue cone\n")
    command = [sys.executable, "-m", "flows.cli", "corpus", "build", "corpus.sources=toys.txt"]
    command += ["corpus.evaluation_prompts=[]", "--push-to-hub", NAME]

    def prd(**changes: str) -> tuple[int, str, str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            command, env=environment | changes, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    code, _, errors = prd(HF_TOKEN="")
    assert code == 5 and "there is no token" in errors and "HF_TOKEN" in errors
    assert not list(tmp_path.rglob("clusters.parquet")), "known before anything is built"
    code, _, errors = prd(HF_TOKEN=READER)
    assert code == 5 and "may not write" in errors
    code, output, errors = prd()
    assert code == 0, errors
    version, address = output.splitlines()[-2:]
    assert address == f"{os.environ['HF_ENDPOINT']}/datasets/{NAME}"
    assert hub.repositories[NAME].tags.keys() == {Path(version).name}
    assert read_back() == texts(Path(version))
