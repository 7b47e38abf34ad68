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
from polars.testing import assert_frame_equal

from infra.errors import InputError, MissingError, UnavailableError
from prompts.build import build_corpus
from prompts.config import CorpusConfig, SourceConfig
from prompts.publishing import check_target, push
from prompts.sources import find_sources

NAME = "somebody/prompts"
LOAD = """
import sys, datasets
rows = datasets.load_dataset(sys.argv[1], split="train", revision=sys.argv[2] or None)
rows.to_parquet(sys.argv[3])
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


def rows(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "train-*.parquet")


def read_back(revision: str | None = None) -> list[str]:
    """Texts, through our own source."""
    (source,) = find_sources([SourceConfig(path=NAME, kind="hf", field="text", revision=revision, refresh=True)])
    return pl.concat(source.batches())["text"].to_list()


def load(folder: Path, revision: str = "") -> pl.DataFrame:
    """Rows, through `datasets`, which reads the environment when it is imported."""
    environment = {"HF_DATASETS_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "hf")}
    command = [sys.executable, "-c", LOAD, NAME, revision, str(folder / "loaded.parquet")]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return pl.read_parquet(folder / "loaded.parquet")


def test_readers_get_the_rows_that_were_built(folder, hub, tmp_path):
    address = push(folder, NAME)
    assert address.endswith(f"/datasets/{NAME}") and hub.repositories[NAME].private
    assert hub.repositories[NAME].messages == ["initial commit", f"version {folder.name}: 2 prompts"]
    assert hub.repositories[NAME].tags == {folder.name: hub.repositories[NAME].main}
    assert rows(folder)["text"].to_list() == read_back() == read_back(folder.name)
    assert_frame_equal(load(tmp_path), rows(folder))
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
    assert rows(second)["text"].to_list() == read_back() == read_back(second.name)
    assert rows(first)["text"].to_list() == read_back(first.name)
    assert_frame_equal(load(tmp_path, first.name), rows(first))
    assert f'revision="{second.name}"' in hub.files(NAME)["README.md"].decode()


def test_nothing_that_is_sent_names_a_place_on_this_machine(build, hub, tmp_path):
    own = tmp_path / "my own"
    own.mkdir()
    (own / "held-out.txt").write_text("a gold ring\n")
    (own / "broken.parquet").write_bytes(b"PAR1 truncated")
    lost = (str(own / "gone.txt"), str(own / "brok*.parquet"), "https://me:secret@127.0.0.1:9/a.txt?key=secret")
    folder = build(
        ["a red cube", "a blue cone", "!!!"],
        keep_going=True,
        sources=(*lost, "sample:solids"),
        evaluation_prompts=str(own / "held-out.txt"),
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
    public = ["gone.txt", "brok*.parquet", "https://127.0.0.1:9/a.txt"]
    assert [source.path for source in recipe.sources] == ["toys.txt", *public, "sample:solids"]
    assert [source.path for source in recipe.evaluation_prompts] == ["held-out.txt"]
    described = {name: entry["sha256"] for name, entry in manifest["outputs"].items()}
    names = {*sent} - {".gitattributes", "manifest.json"}
    assert described == {name: sha256(sent[name]).hexdigest() for name in names}
    missing = json.loads(sent["stats.json"])["missing"]
    assert missing[0] == {"name": "gone", "path": "gone.txt", "reason": "there is no file gone.txt"}
    assert missing[1]["reason"].startswith("broken.parquet") and [lost["path"] for lost in missing] == public
    assert yaml.safe_load(sent["config.yaml"])["sources"][0]["file"] == "toys.txt"


def test_a_hub_that_stumbles(folder, hub, waits):
    for part in (
        "/api/repos/create",
        "/api/validate-yaml",
        "/tree/",
        "/preupload/",
        "/lfs/objects/batch",
        "/large/",
        "/commit/",
        "/tag/",
    ):
        hub.faults.plan(part, 429, Retry_After="3")
        hub.faults.plan(part, 503)
    hub.faults.plan("/large/", 0)
    push(folder, NAME)
    assert len(hub.repositories[NAME].commits) == 2 and read_back() == rows(folder)["text"].to_list()
    assert {3.0, 4.0} & set(waits), "as long as it was told"


def test_what_has_arrived_is_not_sent_again(folder, hub):
    hub.faults.plan("/commit/", 0)  # it came to pass, but nobody heard of it
    with pytest.raises(UnavailableError, match="could not be published") as caught:
        push(folder, NAME)
    assert "same command again" in caught.value.hint
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
    assert read_back(folder.name) == rows(folder)["text"].to_list() and len(hub.repositories[NAME].commits) == 2


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


@pytest.mark.parametrize(
    ("name", "token", "says"),
    [
        (NAME, "hf_forged", "does not know this token"),
        (NAME, READER, "may only read"),
        ("stranger/prompts", WRITER, "this token is of somebody, who is not in stranger"),
    ],
)
def test_a_token_that_will_be_refused_is_known_at_once(hub, monkeypatch, name, token, says):
    check_target(NAME)
    check_target("ToyMakers/prompts")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UnavailableError, match=says) as caught:
        check_target(name)
    assert "set HF_TOKEN" in caught.value.hint
    assert len(hub.faults.asked) == 3 and not hub.repositories


def test_rate_limits_that_do_not_end(folder, hub):
    hub.faults.plan("/api/repos/create", 429, Retry_After="3600")
    with pytest.raises(UnavailableError, match="429") as caught:
        push(folder, NAME)
    assert caught.value.hint.startswith("wait")


def test_a_network_that_is_gone(folder, waits, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"refused \(http://127\.0\.0\.1:9\)") as caught:
        push(folder, NAME)
    assert "HF_ENDPOINT" in caught.value.hint


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
    """In a process of its own, so that large files go in chunks, as where nobody forbids it."""
    toys = [f"a {colour} {shape}" for colour in ("red", "blue") for shape in ("cube", "cone", "torus")]
    (tmp_path / "toys.txt").write_text("\n".join(toys))
    command = [sys.executable, "-m", "flows.cli", "corpus", "build", "corpus.sources=toys.txt"]
    command += ["corpus.evaluation_prompts=[]", "--push-to-hub", NAME]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "HF_HOME": str(tmp_path / "hf")}

    def prd(**changes: str) -> tuple[int, str, str]:
        changed = os.environ | environment | changes
        done = subprocess.run(command, env=changed, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    code, _, errors = prd(HF_TOKEN="")
    assert code == 5 and "there is no token" in errors and "HF_TOKEN" in errors
    assert not list(tmp_path.rglob("clusters.parquet")), "known before anything is built"
    code, _, errors = prd(HF_TOKEN="hf_forged")
    assert code == 5 and "does not know this token" in errors
    assert not list(tmp_path.rglob("clusters.parquet")), "nor is it asked after the build"
    hub.faults.plan("/v1/xorbs/", 403)
    code, _, errors = prd()
    assert code == 5 and "may not write" in errors
    hub.faults.plan("/v1/xorbs/", 0)
    code, output, errors = prd()
    assert code == 0, errors
    version, address = output.splitlines()[-2:]
    assert address == f"{os.environ['HF_ENDPOINT']}/datasets/{NAME}"
    assert hub.repositories[NAME].tags.keys() == {Path(version).name} and hub.xorbs
    assert read_back() == rows(Path(version))["text"].to_list()
