"""Data sets of a Hub on loopback: only text is fetched, once, and stays what it was."""

import gzip
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from fake_hub import commit_of, fake_hub
from fake_server import Faults, FaultyHandler, serving

from flows.recipe import read_recipe
from infra.artifacts import read_manifest
from infra.errors import InputError, UnavailableError
from infra.settings import settings
from prompts.build import build_corpus
from prompts.catalogue import catalogue, resolve
from prompts.config import SourceConfig
from prompts.sources import find_sources

NAME = "someone/prompts"


@pytest.fixture(autouse=True)
def _network(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "none"))
    monkeypatch.setattr("infra.http.rest", lambda _: None)


@pytest.fixture
def published(tmp_path) -> Path:
    """Two shards of a split, another split, and megabytes of images that nobody wants."""
    folder = tmp_path / "published"
    (folder / "data").mkdir(parents=True)
    noise = random.Random(0)
    for shard in (0, 1):
        rows = {"prompt": [f"a red cube {shard}", None, f"a blue cone {shard}"]}
        frame = pl.DataFrame({**rows, "image": [noise.randbytes(500_000) for _ in range(3)]})
        frame.write_parquet(folder / "data" / f"train-0000{shard}-of-00002.parquet")
    pl.DataFrame({"prompt": ["a test"]}).write_parquet(folder / "data" / "test-00000-of-00001.parquet")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Prompts\n")
    return folder


@pytest.fixture
def serve(monkeypatch):
    """Serve a folder as `NAME` until the test ends; gives what goes wrong and what was asked."""
    running = []

    def start(folder: Path, **options) -> Faults:
        faults = Faults()
        server = fake_hub({}, data_sets={NAME: folder}, failures=faults, **options)
        running.append(server)
        monkeypatch.setenv("HF_ENDPOINT", server.__enter__())
        return faults

    yield start
    for server in running:
        server.__exit__(None, None, None)


def find(**config):
    (source,) = find_sources([SourceConfig(**{"path": NAME, **config})])
    return source


def texts(**config) -> list[str]:
    rows = pl.concat(find(**config).batches())
    return rows.filter(pl.col("reason").is_null())["text"].to_list()


TRAIN = ["a red cube 0", "a blue cone 0", "a red cube 1", "a blue cone 1"]


def test_only_the_text_is_fetched_and_only_once(published, serve, monkeypatch):
    faults = serve(published)
    source = find()
    rows = pl.concat(source.batches())
    assert rows["source_row"].to_list() == [1, 2, 3, 4, 5, 6]
    assert rows["reason"].to_list() == [None, "missing", None, None, "missing", None]
    assert (source.kind, source.file, source.name) == ("hf", NAME, "prompts")
    assert source.origin["revision"] == commit_of(published)
    (manifest,) = settings().snapshots.glob("*/*/manifest.json")
    facts = read_manifest(manifest.parent).facts
    assert facts["url"] == f"hf://datasets/{NAME}" and facts["fetched"] and len(facts["files"]) == 2
    assert sum(file.stat().st_size for file in settings().snapshots.rglob("*") if file.is_file()) < 50_000
    assert faults.sent < 300_000, "images are not even fetched"
    asked = len(faults.asked)
    assert texts() == TRAIN
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert texts(refresh=True) == TRAIN, "offline, what is here is used"
    assert len(faults.asked) == asked


def test_a_revision_that_moved(published, serve):
    serve(published)
    before = find()
    pl.DataFrame({"prompt": ["a green cylinder"]}).write_parquet(published / "data" / "train-00001-of-00002.parquet")
    assert find().digest == before.digest, "the snapshot stands"
    after = find(refresh=True)
    assert after.digest != before.digest and after.origin["revision"] == commit_of(published)
    assert find().digest == after.digest
    old = find(revision=before.origin["revision"])
    assert old.digest == before.digest, "the old revision is here, though the Hub has it no more"
    assert texts(revision=before.origin["revision"]) == TRAIN
    with pytest.raises(InputError, match="no revision 'v7'"):
        find(revision="v7")


def test_the_digest_is_of_the_text_however_it_is_stored(published, serve, tmp_path):
    serve(published)
    first = find()
    again = pl.read_parquet(published / "data" / "train-*.parquet")
    again.write_parquet(published / "data" / "train-00000-of-00002.parquet", row_group_size=1, compression="snappy")
    (published / "data" / "train-00001-of-00002.parquet").unlink()
    assert find(refresh=True).digest == first.digest


def test_a_hub_that_stumbles(published, serve):
    faults = serve(published)
    faults.plan("/api/", 429, Retry_After="2")
    faults.plan("/api/", 502)
    faults.plan("train-00000", 500)
    faults.plan("train-00001", 503)
    for _ in range(3):
        faults.plan("train-00001", 0)
    assert texts() == TRAIN


def test_what_was_fetched_before_a_failure_is_kept(published, serve):
    faults = serve(published)
    faults.plan("train-00001", 403)
    with pytest.raises(UnavailableError, match="403"):
        find()
    first = sum("train-00000" in asked for asked in faults.asked)
    assert texts() == TRAIN
    assert sum("train-00000" in asked for asked in faults.asked) == first
    assert not list(settings().snapshots.rglob(".partial*"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"split": "test"}, ["a test"]),
        ({"files": "data/*-00001-of-00002.parquet"}, ["a red cube 1", "a blue cone 1"]),
        ({"path": f"hf://datasets/{NAME}/data/test*"}, ["a test"]),
        ({"field": "prompt"}, TRAIN),
    ],
)
def test_which_files(published, serve, options, expected):
    serve(published)
    assert texts(**options) == expected


def test_the_card_decides(published, serve):
    serve(published)
    parts = "configs:\n- config_name: a\n  data_files: data/test*\n- config_name: b\n  data_files: data/train*\n"
    card = published / "README.md"
    card.write_text(f"---\n{parts}---\n")
    with pytest.raises(InputError, match="several parts: a, b"):
        find()
    card.write_text(f"---\n{parts}  default: true\n---\n")
    assert texts() == TRAIN
    card.write_text("---\nconfigs:\n- data_files:\n  - split: mine\n    path: [data/test*]\n---\n")
    assert texts(split="mine") == ["a test"]
    with pytest.raises(InputError) as caught:
        find(split="train", field="prompt")
    assert "mine" in caught.value.hint


def test_the_recipe_of_the_paper_builds_from_the_hub(home, tmp_path, monkeypatch):
    messages = tmp_path / "messages"
    messages.mkdir()
    raw = [
        "**a red cube --v 5** - <@123> (fast)",
        "**a red cube --v 5** - Upscaled by <@123> (fast)",
        "**a blue cone**",
    ]
    pl.DataFrame({"content": raw, "url": ["u", "v", "w"]}).write_parquet(messages / "grids.parquet")
    captions = tmp_path / "captions"
    (captions / "data").mkdir(parents=True)
    pl.DataFrame({"caption": ["A gold ring"], "image": [b"x"]}).write_parquet(captions / "data" / "train-0.parquet")
    sets = {"wanng/midjourney-v5-202304-clean": messages, "OpenDatasets/dalle-3-dataset": captions}
    corpus = read_recipe("sd21-1.6m", ["corpus.evaluation_prompts=[]"]).corpus
    with fake_hub({}, data_sets=sets) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        folder = build_corpus(corpus, home / "corpora")
    table = pl.read_parquet(folder / "data" / "*.parquet").select("text", "source", "licence").sort("text")
    assert table.rows() == [
        ("A gold ring", "dalle-3", "cc0-1.0"),
        ("a blue cone", "midjourney-v5-202304-clean", "apache-2.0"),
        ("a red cube", "midjourney-v5-202304-clean", "apache-2.0"),
    ]


def test_packed_lines(serve, tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    (folder / "train.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a red cube"}\n{"text": 3}\n'))
    (folder / "validation.jsonl.gz").write_bytes(gzip.compress(b'{"text": "another"}\n'))
    (folder / "LICENSE.txt").write_text("no prompt")
    serve(folder)
    assert texts() == ["a red cube"]
    assert texts(split="validation") == ["another"]


def test_gated(published, serve, monkeypatch):
    faults = serve(published, gated=(NAME,))
    with pytest.raises(InputError) as caught:
        find()
    assert f"/datasets/{NAME}" in caught.value.hint and "HF_TOKEN" in caught.value.hint
    faults.asked.clear()
    entry = resolve(SourceConfig(path="catalog:journeydb"))
    with pytest.raises(InputError) as caught:
        find_sources([entry])
    assert catalogue()["journeydb"].homepage in caught.value.hint
    assert faults.asked == [], "known to be gated: nobody is asked without a token"
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert texts() == TRAIN
    kept = b"".join(file.read_bytes() for file in settings().snapshots.rglob("*") if file.is_file())
    assert b"secret" not in kept


def test_what_is_not_there(published, serve):
    serve(published)
    with pytest.raises(InputError, match="no data set 'someone/else'"):
        find(path="someone/else")
    with pytest.raises(InputError, match="no column 'caption'"):
        find(field="caption")
    with pytest.raises(InputError) as caught:
        find(files="*.csv")
    assert "train-00000-of-00002.parquet" in caught.value.hint


def test_an_endpoint_that_is_no_hub(monkeypatch):
    class Handler(FaultyHandler):
        faults = Faults()

        def do_GET(self) -> None:  # noqa: N802
            self.send(b"<html>", {"Content-Type": "text/html"})

    with serving(Handler) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(UnavailableError, match="does not answer as a Hub"):
            find()


def test_two_builds_at_once(published, serve):
    faults = serve(published)
    with ThreadPoolExecutor(2) as pool:
        found = [one.result() for one in [pool.submit(texts), pool.submit(texts)]]
    assert found == [TRAIN, TRAIN]
    assert sum("/api/" in asked for asked in faults.asked) == 2, "one looks up the commit and lists it; one waits"
