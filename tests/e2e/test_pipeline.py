"""The whole pipeline against a Prefect server: killed, cancelled, run again to its end, and once more for nothing."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelling

from tests.faults.conftest import Workplace, wait_until, workplace  # noqa: F401
from tests.prefect_server import prefect_server_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with prefect_server_in(tmp_path_factory.mktemp("prefect")) as address:
        yield address


def test_killed_cancelled_and_finished(workplace, server):  # noqa: F811
    place: Workplace = workplace("home", placement="{cpus: 0.1}", PREFECT_API_URL=server)
    client = SyncPrefectClient(server)

    # kill -9 on the flow: the training goes with it.
    first = place.start("run")
    wait_until(lambda: place.step() >= 1, first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: not place.processes(), seconds=40)
    reached, corpus = place.step(), manifests(place.home / "corpora" / "miniature")
    assert 1 <= reached < 6 and len(corpus) == 1

    # Cancelled in Prefect: nothing is left, and Prefect knows.
    second = place.start("run")
    wait_until(lambda: place.step() > reached, second)
    newest = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=20)
    flow_run = next(run for run in newest if run.parent_task_run_id is None)
    client.set_flow_run_state(flow_run.id, Cancelling())
    output, _ = second.communicate(timeout=90)
    assert second.returncode == 8 and "cancelled" in output and "Traceback" not in output, output
    wait_until(lambda: not place.processes(), seconds=20)
    assert client.read_flow_run(flow_run.id).state.is_cancelled()
    assert place.step() < 6

    # Run again: what was finished stays, what was begun goes on.
    status, output = place.finish("run")
    assert status == 0, output
    assert manifests(place.home / "corpora" / "miniature") == corpus
    steps = [json.loads(line)["step"] for line in (place.run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]
    report = Path(next(line for line in output.splitlines() if line.startswith("report: ")).removeprefix("report: "))
    assert report.is_file() and "registered: prd-miniature version 1 (champion: yes)" in output
    artifacts = {artifact["key"] for artifact in httpx.post(f"{server}/artifacts/filter", json={}).json()}
    assert {"corpus", "train", "evaluate", "register"} <= artifacts

    # Once more: everything is there.
    before = manifests(place.home)
    status, output = place.finish("run")
    assert status == 0 and "version 1 " in output, output
    assert manifests(place.home) == before


def manifests(folder: Path) -> dict[str, int]:
    """When each finished folder was finished."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("manifest.json")}
