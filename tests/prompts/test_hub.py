"""Data sets of the Hub, from a Hub on loopback: one column, one commit, kept."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fake_hub import commit_of, fake_hub

from infra.errors import InputError
from prompts.config import SourceConfig
from prompts.hub import choose_files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def toys(tmp_path) -> Path:
    """A data set with pictures inside."""
    folder = tmp_path / "served"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 3), ("test", 1)):
        pictures = [np.random.default_rng(0).bytes(400_000) for _ in range(count)]
        prompts = [f"a {split} toy {index}" for index in range(count)]
        table = pl.DataFrame({"image": pictures, "prompt": prompts})
        table.write_parquet(folder / "data" / f"{split}-00000-of-00001.parquet", compression="uncompressed")
    (folder / "README.md").write_text("toys")
    return folder


def read(endpoint: str, home: Path, path: str, offline: bool = False, **more) -> tuple[int, str]:
    """Texts of a source, read in a process of its own: the Hub's address counts from its start."""
    code = (
        "import sys, json\nfrom infra.errors import PRDError\nfrom prompts.config import SourceConfig\n"
        "from prompts.sources import find_sources\n"
        "try:\n    (source,) = find_sources([SourceConfig(**json.loads(sys.argv[1]))])\n"
        "    print(json.dumps([text for frame in source.batches() for text in frame['text']]))\n"
        "except PRDError as error:\n    print(error)\n    sys.exit(error.exit_code)\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "PRD_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
    }
    arguments = json.dumps({"path": path, **more})
    done = subprocess.run(
        [sys.executable, "-c", code, arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout.strip() or done.stderr[-1500:]


TRAIN = '["a train toy 0", "a train toy 1", "a train toy 2"]'


def test_only_the_column_of_prompts_is_fetched_and_only_once(toys, tmp_path):
    sent: list[int] = []
    with fake_hub({}, datasets={"somebody/toys": toys}, sent=sent) as endpoint:
        assert read(endpoint, tmp_path, "somebody/toys") == (0, TRAIN)
        assert 0 < sum(sent) < 200_000, "no picture"
        fetched = len(sent)
        assert read(endpoint, tmp_path, "somebody/toys") == (0, TRAIN)
        assert len(sent) == fetched
    assert read(endpoint, tmp_path, "somebody/toys", offline=True) == (0, TRAIN)
    code, said = read(endpoint, tmp_path, "somebody/toys", offline=True, split="test")
    assert code == 5 and "HF_HUB_OFFLINE" in said


def test_a_revision_that_moves_is_another_snapshot(toys, tmp_path):
    first = commit_of(toys)
    with fake_hub({}, datasets={"somebody/toys": toys}) as endpoint:
        assert read(endpoint, tmp_path, "somebody/toys", revision=first) == (0, TRAIN)
        (toys / "more.jsonl").write_text('{"prompt": "a new toy"}\nbroken\n')
        assert read(endpoint, tmp_path, "somebody/toys", files="*.jsonl")[1] == '["a new toy", "broken"]'
        code, said = read(endpoint, tmp_path, "somebody/toys", revision="0" * 40)
        assert code == 3 and "no revision" in said
    assert read(endpoint, tmp_path, "somebody/toys", offline=True, revision=first) == (0, TRAIN)
    assert len(list((tmp_path / "snapshots" / "hub" / "somebody--toys").glob("*/manifest.json"))) == 2


def test_what_cannot_be_had_says_why(toys, tmp_path):
    with fake_hub({}, datasets={"a/gated": toys}, gated=("a/gated",)) as endpoint:
        code, said = read(endpoint, tmp_path, "a/gated")
        assert code == 5 and "terms to accept" in said and f"{endpoint}/datasets/a/gated" in said
        code, said = read(endpoint, tmp_path, "a/nothing")
        assert code == 3 and "no data set 'a/nothing'" in said
        code, said = read(endpoint, tmp_path, "a/nothing", field="x")
    code, said = read(endpoint, tmp_path, "a/gated")
    assert code == 5 and "could not be fetched" in said


def test_which_files_hold_the_rows():
    names = ["README.md", "data/test-0.parquet", "data/train-0.parquet", "data/train-1.parquet", "extra.csv"]
    suffixes = (".parquet", ".csv", ".jsonl")

    def chosen(there: list[str], **more) -> list[str]:
        return choose_files(there, SourceConfig(path="a/b", **more), suffixes)

    assert chosen(names) == names[2:4]
    assert chosen(names, split="test") == names[1:2]
    assert chosen(names, split="validation") == names[1:4], "names that tell no split are all of it"
    assert chosen(names, files="*.csv") == ["extra.csv"]
    assert chosen(["a.csv.gz", "b.jsonl", "dataset_infos.jsonl"]) == ["a.csv.gz", "b.jsonl"]
    with pytest.raises(InputError, match="no file"):
        chosen(["README.md"])
