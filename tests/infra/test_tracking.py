"""A training's MLflow run on a real SQLite store."""

import math
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import UnavailableError
from infra.tracking import RunTracker, experiment_id, open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "training"
    path.mkdir()
    return path


def steps(uri: str, run_id: str, name: str = "loss") -> list[int]:
    return [metric.step for metric in open_store(uri).get_metric_history(run_id, name)]


def test_a_run_holds_what_was_logged(uri: str, folder: Path) -> None:
    with RunTracker("first", folder, tags={"corpus_version": "abc"}, uri=uri) as tracker:
        tracker.log_params({"train": {"iterations": 3, "lr": 1e-4}, "name": "first"})
        for step in range(3):
            tracker.log({"loss": 1.0 / (step + 1), "odd[name]": math.nan}, step)
        run_id = tracker.run_id

    run = open_store(uri).get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "first"
    assert run.data.params == {"train.iterations": "3", "train.lr": "0.0001", "name": "first"}
    assert run.data.tags["corpus_version"] == "abc"
    assert run.data.metrics["loss"] == pytest.approx(1 / 3)
    assert steps(uri, run_id) == [0, 1, 2]
    assert "odd_name_" in run.data.metrics


def test_more_values_than_one_request_takes(uri: str, folder: Path) -> None:
    with RunTracker("many", folder, uri=uri) as tracker:
        tracker.log({f"m{number}": float(number) for number in range(1250)}, step=0)
        run_id = tracker.run_id
    assert len(open_store(uri).get_run(run_id).data.metrics) == 1250


def test_a_resumed_training_goes_on_with_the_same_run(uri: str, folder: Path) -> None:
    first = RunTracker("resumed", folder, uri=uri)
    first.log_params({"iterations": 10})
    for step in range(4):
        first.log({"loss": float(step)}, step)
    run_id = first.run_id  # everything is sent; the process is then killed without finish()

    second = RunTracker("resumed", folder, uri=uri)
    assert second.run_id == run_id
    assert open_store(uri).get_run(run_id).info.status == "RUNNING"
    second.log_params({"iterations": 20, "seed": 1})
    for step in range(2, 6):  # goes on from a checkpoint before the kill
        second.log({"loss": float(step)}, step)
    second.finish()

    run = open_store(uri).get_run(run_id)
    assert steps(uri, run_id) == [0, 1, 2, 3, 4, 5]
    assert run.data.params == {"iterations": "10", "seed": "1"}
    assert run.data.tags["resumed.iterations"] == "20"
    assert run.info.status == "FINISHED"
    first.finish()


def test_a_deleted_run_is_replaced_by_a_new_one(uri: str, folder: Path) -> None:
    with RunTracker("gone", folder, uri=uri) as first:
        first.log({"loss": 1.0}, 7)
        old = first.run_id
    open_store(uri).delete_run(old)
    with RunTracker("gone", folder, uri=uri) as second:
        second.log({"loss": 1.0}, 0)
        new = second.run_id
    assert new != old and steps(uri, new) == [0]


@pytest.mark.parametrize(("reason", "status"), [(ZeroDivisionError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_how_a_training_ended_is_marked(uri: str, folder: Path, reason: type[BaseException], status: str) -> None:
    with pytest.raises(reason), RunTracker("ended", folder, uri=uri) as tracker:
        tracker.log({"loss": 1.0}, 0)
        raise reason
    assert open_store(uri).get_run(tracker.run_id).info.status == status


def test_training_goes_on_without_the_store_and_sends_later(tmp_path: Path, folder: Path, capsys) -> None:
    blocker = tmp_path / "store"
    blocker.write_text("a file where the store's folder should be")
    tracker = RunTracker("patient", folder, uri=f"sqlite:///{blocker / 'mlflow.db'}")
    tracker.log({"loss": 1.0}, 0)
    assert tracker.run_id is None
    assert tracker.run_id is None
    assert capsys.readouterr().err.count("training goes on") == 1

    blocker.unlink()
    tracker.log({"loss": 2.0}, 1)
    tracker.finish()
    assert steps(f"sqlite:///{blocker / 'mlflow.db'}", tracker.run_id) == [0, 1]


def test_finishing_without_a_store_says_what_is_missing(folder: Path, capsys) -> None:
    tracker = RunTracker("alone", folder, uri=f"http://127.0.0.1:{free_port()}")
    tracker.log({"a": 1.0, "b": 2.0}, 0)
    tracker.finish()
    assert "2 values are not in MLflow" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_said_so() -> None:
    with pytest.raises(UnavailableError, match="does not work") as caught:
        open_store(f"http://127.0.0.1:{free_port()}")
    assert "PRD_MLFLOW_URI" in caught.value.hint


def test_a_file_that_is_no_store_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is not a database, whatever its name says" * 50)
    with pytest.raises(UnavailableError, match="not a database"):
        open_store(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_an_address_of_no_known_kind_is_said_so() -> None:
    with pytest.raises(UnavailableError, match="not the address"):
        open_store("my-server")


def test_processes_that_start_together_share_a_new_store(tmp_path: Path) -> None:
    """MLflow's own start fails for all but one of them."""
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    program = (
        "import sys; from infra.tracking import open_store, experiment_id;"
        "import mlflow, sqlalchemy; print('ready', flush=True); sys.stdin.readline();"
        "print(experiment_id(open_store(sys.argv[1]), sys.argv[1]))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([sys.executable, "-c", program, uri], **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    answers = {child.communicate()[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0]
    assert answers == {experiment_id(open_store(uri), uri)}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_store_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    code = f"from infra.tracking import open_store; open_store('sqlite:///{database}')"
    maker = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    unfinished = tmp_path / ".mlflow.db.new"
    while maker.poll() is None and not (unfinished.exists() and unfinished.stat().st_size > 50_000):
        pass  # its schema takes a second or two: half of it is there now
    maker.kill()
    maker.wait()
    assert not database.exists()

    client = open_store(f"sqlite:///{database}")
    assert client.get_experiment(experiment_id(client, f"sqlite:///{database}")).name == "prd"
    assert not unfinished.exists()
