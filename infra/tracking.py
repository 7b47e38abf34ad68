"""MLflow: opening its store safely, and a training's run in it.

Training never waits for the store and never fails with it: values are handed to a thread, which sends them in batches
and keeps what could not be sent.
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from infra.artifacts import write_json
from infra.errors import UnavailableError
from infra.progress import console
from infra.settings import settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "prd"
RECORD = "mlflow.json"
"""In the run's folder: which MLflow run it is, and the last step it holds."""

_SQLITE = "sqlite:///"
_DATABASES = ("postgresql", "mysql", "mssql")
_PROBE_SECONDS = 5.0
_FLUSH_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0  # seconds without trying again after a failure
_PER_REQUEST = 1000  # MLflow's limit of metrics
_PARAMS_PER_REQUEST = 100  # and of parameters
_LONGEST_NAME = 250
_KEPT = 200_000  # values kept while the store is away; the oldest go first


def open_store(uri: str | None = None) -> "MlflowClient":
    """A client for the tracking store and the registry, with nothing global set.

    Args:
        uri: `http(s)://…` of a server, `sqlite:///…` or another database; default from the settings. A SQLite store
            is created and brought to MLflow's schema on first use (about two seconds); a lock file keeps processes
            that start together from doing so at once, which MLflow itself does not survive.

    Raises:
        UnavailableError: the server does not answer, or the file is not a store of this MLflow version.
    """
    uri = uri or settings().tracking_uri
    with store_errors(uri):
        from mlflow import MlflowClient

        if not uri.startswith(_SQLITE):
            _check_address(uri)
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
        database = Path(uri.removeprefix(_SQLITE))
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_name(f".{database.name}.lock")):
            if not database.exists():
                _create_store(database)
            return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _create_store(database: Path) -> None:
    """Make an empty store whole or not at all: MLflow cannot go on with one whose making was cut off."""
    from mlflow import MlflowClient

    unfinished = database.with_name(f".{database.name}.new")
    for leftover in database.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    MlflowClient(tracking_uri=f"{_SQLITE}{unfinished}", registry_uri=f"{_SQLITE}{unfinished}").search_experiments()
    unfinished.rename(database)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what a store's absence looks like (MLflow, SQLAlchemy, files) into one error with a way out."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if uri.startswith(_SQLITE):
            hint = f"check the file and its folder; an older store needs `mlflow db upgrade {uri}` (copy it first)"
        else:
            hint = "start the server or correct PRD_MLFLOW_URI; without it the store is $PRD_HOME/mlflow.db"
        raise UnavailableError(f"the MLflow store {uri} does not work: {first_line}", hint) from error


def experiment_id(client: "MlflowClient", uri: str, name: str = EXPERIMENT) -> str:
    """The experiment of that name, made or restored when needed."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=_artifact_location(uri))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


@dataclass(frozen=True)
class _Value:
    name: str
    value: float
    milliseconds: int
    step: int


def recorded_run(folder: Path) -> str | None:
    """Id of the run, in the store of the settings, that a training's folder belongs to; None when it has none there."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record["run_id"] if record["uri"] == settings().tracking_uri else None
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return None


class RunTracker:
    """The MLflow run of one training, fed by its first process.

    The run's id is kept in the training's folder, so a resumed training goes on with the same run; steps that it
    repeats are not recorded twice. The trainer's own `metrics.jsonl` is complete whatever happens here.

    Args:
        name: of the run, as people see it.
        folder: of the training; must exist.
        tags: of the run.
        uri: store; default from the settings.
    """

    def __init__(
        self, name: str, folder: Path, *, tags: Mapping[str, str] | None = None, uri: str | None = None
    ) -> None:
        self._name, self._folder, self._tags = name, folder, dict(tags or {})
        self._uri = uri or settings().tracking_uri
        self._lock = threading.Lock()  # guards the two queues
        self._values: list[_Value] = []
        self._params: dict[str, str] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self._sending: Future[None] | None = None
        self._sent_at = time.monotonic()
        # Below: used by the thread alone.
        self._client: MlflowClient | None = None
        self._run_id: str | None = None
        self._known_params: dict[str, str] = {}
        self._skip_to = self._last_step = -1
        self._pause, self._not_before = _FIRST_PAUSE, 0.0
        self._warned = False

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record numbers of a step; costs microseconds, sends every few seconds."""
        now = int(time.time() * 1000)
        values = [_Value(_valid_name(name), float(value), now, step) for name, value in metrics.items()]
        with self._lock:
            self._values += values
            waiting = len(self._values)
        if waiting >= _PER_REQUEST or time.monotonic() - self._sent_at >= _FLUSH_SECONDS:
            self.flush()

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings, nested ones under dotted names. One that a resumed run has changed goes into a tag
        `resumed.<name>`, since MLflow keeps a parameter's first value."""
        with self._lock:
            self._params |= {_valid_name(name): str(value) for name, value in _flat(params)}
        self.flush()

    def flush(self) -> None:
        """Begin to send what is waiting, unless sending is under way or has just failed. Returns at once."""
        if (self._sending is None or self._sending.done()) and time.monotonic() >= self._not_before:
            self._sent_at = time.monotonic()
            self._sending = self._thread.submit(self._send)

    def finish(self, status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED") -> None:
        """Send the rest and close the run. Waits for the store, but not for one that is away."""
        self._thread.submit(self._send).result()
        self._thread.submit(self._close, status).result()
        self._thread.shutdown()

    @property
    def run_id(self) -> str | None:
        """Id of the MLflow run; waits for the store the first time. None while it does not answer."""
        if self._run_id is None:
            self._thread.submit(self._send).result()
        return self._run_id

    def __enter__(self) -> "RunTracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish("FINISHED")
        else:
            self.finish("FAILED" if issubclass(kind, Exception) else "KILLED")

    # What follows runs in the thread.

    def _send(self) -> None:
        with self._lock:
            values, self._values = self._values, []
            params, self._params = self._params, {}
        try:
            client, run_id = self._connect()
            self._send_params(client, run_id, params)
            params = {}
            self._send_values(client, run_id, values)
        except Exception as error:  # whatever is wrong with the store, training goes on
            self._put_back(values, params, error)
        else:
            self._pause, self._not_before = _FIRST_PAUSE, 0.0
            if self._warned:
                console.print("MLflow answers again; nothing was lost")
                self._warned = False

    def _connect(self) -> tuple["MlflowClient", str]:
        if self._client is None or self._run_id is None:
            client = open_store(self._uri)
            self._run_id = self._continued(client) or self._created(client)
            self._client = client
            self._save_record()
        return self._client, self._run_id

    def _continued(self, client: "MlflowClient") -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            record = json.loads((self._folder / RECORD).read_text(encoding="utf-8"))
            if record["uri"] != self._uri:
                return None
            run = client.get_run(record["run_id"])
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if run.info.lifecycle_stage != "active":
            return None
        client.update_run(run.info.run_id, status="RUNNING")
        self._known_params = dict(run.data.params)
        self._skip_to = self._last_step = record["step"]
        return run.info.run_id

    def _created(self, client: "MlflowClient") -> str:
        run = client.create_run(experiment_id(client, self._uri), run_name=self._name, tags=self._tags)
        return run.info.run_id

    def _send_params(self, client: "MlflowClient", run_id: str, params: dict[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        new = [Param(name, value) for name, value in params.items() if name not in self._known_params]
        changed = [
            RunTag(f"resumed.{name}", value)
            for name, value in params.items()
            if self._known_params.get(name, value) != value
        ]
        for start in range(0, max(len(new), len(changed)), _PARAMS_PER_REQUEST):
            part = slice(start, start + _PARAMS_PER_REQUEST)
            client.log_batch(run_id, params=new[part], tags=changed[part])
        self._known_params |= {param.key: param.value for param in new}

    def _send_values(self, client: "MlflowClient", run_id: str, values: list[_Value]) -> None:
        from mlflow.entities import Metric

        while values:
            part = values[:_PER_REQUEST]
            metrics = [Metric(v.name, v.value, v.milliseconds, v.step) for v in part if v.step > self._skip_to]
            if metrics:
                client.log_batch(run_id, metrics=metrics)
                self._last_step = max(self._last_step, part[-1].step)
                self._save_record()
            del values[:_PER_REQUEST]  # in place: what is left is put back when the next part fails

    def _put_back(self, values: list[_Value], params: dict[str, str], error: Exception) -> None:
        with self._lock:
            self._values = (values + self._values)[-_KEPT:]
            self._params = params | self._params
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if not self._warned:
            self._warned = True
            message = error.message if isinstance(error, UnavailableError) else f"{type(error).__name__}: {error}"
            console.print(f"MLflow does not take metrics, training goes on: {message}", markup=False)

    def _close(self, status: str) -> None:
        if self._client is None or self._run_id is None or self._values:
            console.print(f"{len(self._values)} values are not in MLflow; metrics.jsonl has them all")
        if self._client is None or self._run_id is None:
            return
        try:
            self._client.set_terminated(self._run_id, status)
        except Exception as error:
            console.print(f"the MLflow run {self._run_id} stays open: {error}", markup=False)

    def _save_record(self) -> None:
        write_json(self._folder / RECORD, {"uri": self._uri, "run_id": self._run_id, "step": self._last_step})


def _check_address(uri: str) -> None:
    """Ask a server for a sign of life; MLflow's own requests would try for minutes."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    if uri.startswith(_DATABASES):
        return
    if not uri.startswith(("http://", "https://")):
        raise UnavailableError(
            f"{uri!r} is not the address of an MLflow store", "PRD_MLFLOW_URI takes http://HOST:PORT or sqlite:////PATH"
        )
    with suppress(HTTPError):  # which is an answer too; whether it lets us in will show
        urlopen(f"{uri.rstrip('/')}/health", timeout=_PROBE_SECONDS).close()


def _artifact_location(uri: str) -> str | None:
    """Beside an embedded store; a server knows its own place."""
    if not uri.startswith(_SQLITE):
        return None
    return (Path(uri.removeprefix(_SQLITE)).absolute().parent / "mlartifacts").as_uri()


def _valid_name(name: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", name)[:_LONGEST_NAME]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
