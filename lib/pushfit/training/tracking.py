"""The run told to MLflow, for people who compare runs there: `--mlflow URI`.

    settings                            params, once
    a row of history.csv                metrics, at the step of its epoch (`callbacks.Tracking`)
    accuracy on held-out data, and
    milliseconds a batch of inference   metrics, when the run has ended
    best.keras                          a model of MLflow's Keras flavour, `model`, by then
    best.keras, samples.png, …          artifacts, by then

A tracker that is slow or down never holds up or ends a run. All is sent from a thread of its own;
what could not be sent waits and is tried again, in order, every RETRY_SECONDS, and at the end once
more. Nothing depends on it arriving: the run's folder holds the same.

A run that is resumed goes on in the MLflow run that bears its id (the tag TAG).
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shlex
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pushfit.errors import ConfigError, nearest
from pushfit.installation import called

TAG = "pushfit.run"
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
RETRY_SECONDS = 30.0
END_SECONDS = 60.0  # for what is left at the end, the model among it, where the tracker answers, …
TROUBLED_SECONDS = 5.0  # … where it last did not, …
HASTY_SECONDS = 1.0  # … and where a person has pressed Ctrl-C
PARAMS_A_CALL = 100  # as the protocol of MLflow allows
# Of MLflow's own: seven tries of two minutes each would outlast the run; nor is it told of by us.
QUIETLY = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

log = logging.getLogger("pushfit.trainer")


def place(text: str) -> tuple[str, Path | None]:
    """(the tracking URI, the local folder) that `--mlflow text` means.

    A folder, such as `mlruns`, holds a database and the artifacts: MLflow no longer writes its
    older layout of plain files. Raises ConfigError.
    """
    scheme, colon, _ = text.partition(":")
    if not colon and text != "databricks":
        folder = Path(text).absolute()
        return f"sqlite:///{folder / 'mlflow.db'}", folder
    name = scheme.partition("+")[0]
    if name not in SCHEMES:
        raise ConfigError(
            f"--mlflow {text}: MLflow tracks to no {name!r}{nearest(name, SCHEMES)}; give the URI "
            "of a server (http://host:5000) or database, or a folder such as mlruns"
        )
    return text, None


def check(text: str) -> None:
    """Raises ConfigError for what would never work: before the run, not in a thread of it."""
    _, folder = place(text)
    wanted = ["mlflow"] + (["sqlalchemy", "alembic"] if folder else [])
    if missing := [name for name in wanted if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"--mlflow needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'pushfit[mlflow]' (in a checkout: pip install -e '.[mlflow]')"
        )


class Tracker:
    """Tells MLflow of one run; every method returns at once, `close` within the seconds above.

    run: the id that TAG bears; name: what people see; params: settings as texts.
    """

    def __init__(
        self, where: str, *, experiment: str, run: str, name: str, params: Mapping[str, str]
    ) -> None:
        self.uri, self._folder = place(where)
        self.trouble = ""
        self._experiment, self._run, self._name, self._params = experiment, run, name, params
        self._client: Any = None
        self._id = ""
        self._rows: deque[tuple[int, int, dict[str, float]]] = deque()
        self._files: deque[Path] = deque()
        self._model: tuple[Path, dict[str, Any] | None] | None = None
        self._status = ""
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of one epoch, `step`, counted from 0."""
        self._rows.append((step, int(time.time() * 1000), dict(values)))
        self._news.set()

    def close(
        self,
        status: str,
        files: Sequence[Path] = (),
        *,
        model: tuple[Path, dict[str, Any] | None] | None = None,
        hasty: bool = False,
    ) -> str:
        """End the MLflow run with what is left. Returns what did not arrive, in a sentence, or "".

        status: FINISHED, FAILED or KILLED. files: those that are there become artifacts.
        model: a `.keras` file, which becomes a model that MLflow can load and serve, and what it
            takes and gives (`mlmodel.signature`).
        """
        self._files.extend(path for path in files if path.is_file())
        self._model = model if model is not None and model[0].is_file() else None
        self._status = status
        self._closing.set()
        self._news.set()
        patience = HASTY_SECONDS if hasty else TROUBLED_SECONDS if self.trouble else END_SECONDS
        self._thread.join(patience)
        if not self._left:
            return ""
        return (
            f"MLflow at {shown(self.uri)} did not get all of this run "
            f"({self.trouble or 'it takes too long'}); its folder has it."
        )

    @property
    def _left(self) -> bool:
        return bool(not self._id or self._rows or self._files or self._model or self._status)

    def _work(self) -> None:
        while True:
            self._news.clear()
            try:
                self._send()
                if self.trouble:
                    log.info("MLflow at %s is there again", shown(self.uri))
                self.trouble = ""
            except Exception as error:  # of the network, the database, or MLflow itself
                before, self.trouble = self.trouble, _first_line(error)
                if not before:
                    log.warning(
                        "MLflow at %s does not take this run's figures (%s): the run goes on, and "
                        "they are kept for it",
                        shown(self.uri),
                        self.trouble,
                    )
            if self._closing.is_set() and (self.trouble or not self._left):
                return
            if self.trouble:
                self._closing.wait(RETRY_SECONDS)
            else:
                self._news.wait()

    def _send(self) -> None:
        """All that is waiting, each taken off when it has arrived."""
        if not self._id:
            self._begin()
        while self._rows:
            step, at, values = self._rows[0]
            from mlflow.entities import Metric

            found = [Metric(name, value, at, step) for name, value in values.items()]
            self._client.log_batch(self._id, metrics=found)
            self._rows.popleft()
        while self._files:
            path = self._files[0]
            self._client.log_artifact(self._id, str(path))
            self._files.popleft()
        if self._model is not None:
            self._send_model(*self._model)
            self._model = None
        if self._status:
            self._client.set_terminated(self._id, self._status)
            self._status = ""

    def _send_model(self, file: Path, described: dict[str, Any] | None) -> None:
        from pushfit.training import mlmodel

        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / mlmodel.FOLDER
            mlmodel.write(file, described, made)
            self._client.log_artifacts(self._id, str(made), mlmodel.FOLDER)

    def _begin(self) -> None:
        """Find this run's MLflow run, or make it."""
        for name, value in QUIETLY.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        logging.getLogger("alembic").setLevel(logging.WARNING)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._client = client = MlflowClient(self.uri)
        experiment = self._experiment_id()
        found = client.search_runs([experiment], f"tags.`{TAG}` = '{self._run}'", max_results=1)
        if found:
            client.update_run(found[0].info.run_id, status="RUNNING")
            self._id = found[0].info.run_id
            return
        tags = {TAG: self._run, "mlflow.source.name": called("train")}
        made = client.create_run(experiment, run_name=self._name, tags=tags)
        params = [Param(name, value) for name, value in self._params.items()]
        for start in range(0, len(params), PARAMS_A_CALL):
            client.log_batch(made.info.run_id, params=params[start : start + PARAMS_A_CALL])
        self._id = made.info.run_id

    def _experiment_id(self) -> str:
        client, name = self._client, self._experiment
        found = client.get_experiment_by_name(name)
        if found is None:
            place = None if self._folder is None else (self._folder / "artifacts").as_uri()
            return str(client.create_experiment(name, artifact_location=place))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def looking(where: str) -> str:
    """How a person looks at what was told to `--mlflow where`."""
    uri, _ = place(where)
    if uri.startswith(("http:", "https:", "databricks")):
        return f"The run is in MLflow at {shown(uri)}"
    command = f"mlflow ui --backend-store-uri {shlex.quote(shown(uri))}"
    return f"To look at the run (after pip install mlflow): {command}"


def shown(uri: str) -> str:
    """`uri` without the password that it may hold."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:…@", uri)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return shown(text.splitlines()[0])[:200]
