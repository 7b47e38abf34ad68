"""The corpus's flow against a Prefect server: sources that are down, killed runs, growth, schedules."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import corpus as corpus_module
from flows.corpus import corpus_flow
from flows.growth import GROWN
from infra.errors import InputError, RunCancelled
from prompts.build import build_corpus, versions
from prompts.config import CorpusConfig
from prompts.corpus import corpus_stats
from prompts.engine import Local
from prompts.sources import find_source
from tests.faults.conftest import wait_until
from tests.prefect_server import prefect_server_in

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from flows.corpus import corpus_flow
from prompts.config import CorpusConfig
print(corpus_flow(CorpusConfig(**json.loads(sys.argv[1]))).folder)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with (
        prefect_server_in(tmp_path_factory.mktemp("prefect")) as address,
        temporary_settings({PREFECT_API_URL: address}),
    ):
        yield address


@pytest.fixture
def write(tmp_path, monkeypatch):
    """`write(name=lines)` makes text files in the working directory."""
    monkeypatch.chdir(tmp_path)

    def files(**contents: list[str]) -> None:
        for name, lines in contents.items():
            (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    return files


def tasks_of(server: str, names: set[str]) -> dict[str, tuple[str, int]]:
    """Task → how it ended and how often it was tried, when Prefect has heard of the end of all of them."""

    def ended() -> dict[str, tuple[str, int]]:
        runs = httpx.post(f"{server}/task_runs/filter", json={"sort": "EXPECTED_START_TIME_ASC"}).json()
        return {
            run["name"]: (run["state_type"], run["run_count"])
            for run in runs
            if run["name"] in names and run["state_type"] in ("COMPLETED", "FAILED")
        }

    wait_until(lambda: ended().keys() == names, seconds=60)
    return ended()


def artifact(server: str) -> str:
    """The newest one of the corpus."""
    return httpx.get(f"{server}/artifacts/corpus/latest").json()["data"]


def events(server: str, corpus: str) -> list[dict[str, Any]]:
    """Those that announce versions of a corpus, the oldest first."""
    chosen = {"event": {"name": [GROWN]}, "resource": {"id": [f"prd.corpus.{corpus}"]}, "order": "ASC"}
    return httpx.post(f"{server}/events/filter", json={"filter": chosen}).json()["events"]


def test_sources_that_are_down_are_left_out_and_named(server, home, write, monkeypatch):
    monkeypatch.setattr(corpus_module, "find", corpus_module.find.with_options(retry_delay_seconds=0))
    write(toys=["a red cube", "a blue cone"], more_1=["a green torus"], more_2=["A red cube!"])
    (home.parent / "broken.parquet").write_bytes(b"PAR1 truncated")
    paths = ("toys.txt", "absent.txt", "broken.parquet", "nobody/nothing", "more*.txt")
    partial = CorpusConfig(name="partial", sources=",".join(paths))
    result = corpus_flow(partial, keep_going=True)

    stats = corpus_stats(result.folder)
    assert [source["name"] for source in stats["sources"]] == ["toys", "more"]
    assert [(lost["name"], lost["path"]) for lost in stats["missing"]] == [
        ("absent", "absent.txt"),
        ("broken", "broken.parquet"),
        ("nothing", "nobody/nothing"),
    ]
    assert stats["prompts"] == 3
    shown, card = artifact(server), (result.folder / "README.md").read_text(encoding="utf-8")
    for lost in stats["missing"]:
        assert result.facts[f"left out: {lost['name']}"] == lost["reason"]
        assert f"| {lost['name']} | {lost['path']} | {lost['reason']} |" in shown
        assert f"`{lost['name']}`" in card

    # Who is down is asked again, what is broken is not.
    names = [f"find {name}" for name in ("toys", "absent", "broken", "nothing", "more")]
    files = ("toys: toys.txt", "more: more_1.txt", "more: more_2.txt", "broken: broken.parquet")
    assert tasks_of(server, {*names, *(f"prepare {file}" for file in files)}) == {
        "find toys": ("COMPLETED", 1),
        "find more": ("COMPLETED", 1),
        "find absent": ("FAILED", 1),
        "find broken": ("COMPLETED", 1),
        "find nothing": ("FAILED", 4),
        "prepare toys: toys.txt": ("COMPLETED", 1),
        "prepare more: more_1.txt": ("COMPLETED", 1),
        "prepare more: more_2.txt": ("COMPLETED", 1),
        "prepare broken: broken.parquet": ("FAILED", 1),
    }
    # The same rows without a gap are another version; the same gap is the same.
    whole = corpus_flow(CorpusConfig(name="partial", sources="toys.txt,more*.txt"))
    assert whole.folder.name != result.folder.name
    assert corpus_flow(partial, keep_going=True).folder == result.folder


def test_without_leave_a_source_that_is_down_ends_the_run(server, home, write):
    write(toys=["a red cube"])
    with pytest.raises(InputError, match=r"no file absent\.txt"):
        corpus_flow(CorpusConfig(sources="toys.txt,absent.txt"))
    with pytest.raises(InputError, match=r"no source can be read: absent \(there is no file absent\.txt\)"):
        corpus_flow(CorpusConfig(sources="absent.txt"), keep_going=True)
    with pytest.raises(InputError, match=r"no file held-out\.txt"):
        corpus_flow(CorpusConfig(sources="toys.txt", evaluation_prompts="held-out.txt"), keep_going=True)
    assert not versions(home / "corpora" / "corpus")


def test_a_run_that_ends_reads_no_further(home, write):
    write(toys=["a red cube"])
    (source,) = (config := CorpusConfig(sources="toys.txt")).sources
    stop = Event()
    stop.set()
    with pytest.raises(RunCancelled):
        (shard,) = find_source(source, "toys").shards
        corpus_module.prepare_part.fn("toys", shard, config, Local(), stop)
    assert not list(home.rglob("manifest.json"))


def test_a_killed_run_goes_on_where_it_was(server, home, write, tmp_path):
    """A source that nobody writes to holds up the first run when the others are on disk."""
    write(one=["a red cube", "a blue cone"], two=["a green torus", "a red cube"])
    os.mkfifo(tmp_path / "three.txt")
    config = json.dumps({"sources": "one.txt,two.txt,three.txt"})
    environment = {**os.environ, "PREFECT_API_URL": server, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, config]

    def prepared() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (home / "corpora" / ".prepared").glob("*/manifest.json")}

    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: len(prepared()) == 2, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    before = prepared()
    assert len(before) == 2 and not versions(home / "corpora" / "corpus")

    (tmp_path / "three.txt").unlink()
    write(three=["a yellow pyramid"])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    after = prepared()
    assert len(after) == 3 and before.items() < after.items(), "what was on disk was not read again"
    folder = Path(done.stdout.splitlines()[-1])
    assert corpus_stats(folder)["prompts"] == 4
    build_corpus(CorpusConfig(name="calm", sources="one.txt,two.txt,three.txt"), home / "corpora")
    assert [version.name for version in versions(home / "corpora" / "calm")] == [folder.name]


def test_growth_adds_up_and_is_announced_once(server, home, write):
    lines = [f"prompt number {word}" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight")]
    config = CorpusConfig(name="growing", sources="old.txt,new.txt", new_prompts_for_event=5)

    write(old=lines[:2], new=lines[:1])
    corpus_flow(config)  # 2, too few
    write(new=lines[:5])
    first = corpus_flow(config)  # 3 more: of 5 nobody was told
    assert first.facts["new prompts"] == 3, "shown beside the version before it"
    write(new=lines[:7])
    second = corpus_flow(config)  # 2 more
    assert (second.facts["new prompts"], second.facts["compared with"]) == (2, first.folder.name)
    write(new=lines)
    corpus_flow(config)  # 1 more
    write(new=[*lines, "a red cube", "a blue cone"])
    third = build_corpus(config, home / "corpora")  # 2 more, whoever builds it, or is killed after that
    assert corpus_flow(config).folder == corpus_flow(config).folder == third
    shown = artifact(server)
    assert "| old | 2 | 2 | 0 | 0 |" in shown and "| new | 10 | 8 | 8 | 2 |" in shown
    assert ": 2 prompts are new, 0 are gone." in shown
    assert "| read | 12 | rows of all sources |" in shown and "| − merged: exact | 2 |" in shown

    write(new=["a green torus", *lines, "a red cube", "a blue cone"])
    corpus_flow(config)  # 1 more
    write(new=[*lines, *(f"a {colour} pyramid" for colour in ("red", "blue", "green", "white", "black"))])
    fourth = corpus_flow(config)
    wait_until(lambda: len(events(server, "growing")) >= 3, seconds=60)
    told = [event["payload"] for event in events(server, "growing")]
    assert [payload["version"] for payload in told] == [first.folder.name, third.name, fourth.folder.name]
    assert (told[0]["previous"], told[0]["new"]) == (None, 5)
    assert told[1] == {
        "corpus": "growing",
        "version": third.name,
        "folder": str(third),
        "prompts": 10,
        "new": 5,
        "gone": 0,
        "new_by_source": {"old": 0, "new": 5},
        "previous": first.folder.name,
        "missing": [],
    }
    assert (told[2]["new"], told[2]["gone"]) == (5, 2)


def test_a_schedule_runs_the_flow(server, home, write, tmp_path):
    write(toys=["a red cube", "a blue cone"])
    arguments = ("corpus.name=nightly", "corpus.sources=toys.txt,absent.txt", "corpus.evaluation_prompts=[]")
    command = [sys.executable, "-m", "flows.cli", "corpus", "schedule", "--cron", "0 3 * * *", *arguments]
    environment = {**os.environ, "PREFECT_API_URL": server, "PYTHONPATH": str(ROOT)}
    client = SyncPrefectClient(server)

    def deployment() -> DeploymentResponse | None:
        try:
            return client.read_deployment_by_name("corpus/nightly")
        except ObjectNotFound:
            return None

    def start(*wrapper: str) -> subprocess.Popen[str]:
        heard: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([*wrapper, *command], env=environment, **heard)

    def end(process: subprocess.Popen[str]) -> str:
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=60)[0]

    process = start()
    try:
        wait_until(lambda: deployment() is not None, process)
        (schedule,) = deployment().schedules
        assert schedule.active and schedule.schedule.cron == "0 3 * * *"
        run = client.create_flow_run_from_deployment(deployment().id)
        wait_until(lambda: client.read_flow_run(run.id).state.is_final(), process)
        state = client.read_flow_run(run.id).state
        assert state.is_completed(), state
    finally:
        output = end(process)
    assert process.returncode == 0 and deployment().paused and "Traceback" not in output, output
    (folder,) = versions(home / "corpora" / "nightly")
    stats = corpus_stats(folder)
    assert stats["prompts"] == 2 and [lost["name"] for lost in stats["missing"]] == ["absent"], output

    process = start("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # as a script starts what goes on beside it
    try:
        wait_until(lambda: not deployment().paused, process)
    finally:
        output = end(process)
    assert process.returncode == 0 and deployment().paused and "Traceback" not in output, output
