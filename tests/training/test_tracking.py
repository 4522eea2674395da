"""What MLflow is told, and that a tracker in trouble costs the run nothing."""

from __future__ import annotations

import importlib.util
import logging
import math
import socket
import time
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.training import mlmodel, tracking
from pushfit.training.tracking import TAG, Tracker, looking, place, shown


def a_tracker(where: str, **different: Any) -> Tracker:
    told = {"experiment": "digits", "run": "a1", "name": "one", "params": {"seed": "5"}}
    return Tracker(where, **{**told, **different})


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(place(str(folder))[0])


def only_run(folder: Path) -> Any:
    looking = client(folder)
    (run,) = looking.search_runs([looking.get_experiment_by_name("digits").experiment_id])
    return run


def test_a_folder_holds_a_database_and_all_else_is_a_uri(tmp_path: Path) -> None:
    assert place(str(tmp_path)) == (f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    for uri in ("http://host:5000", "postgresql+psycopg://host/db", "databricks"):
        assert place(uri) == (uri, None)
    with pytest.raises(ConfigError, match=r"no 'htp', did you mean 'http'\?; give the URI of a"):
        place("htp://host:5000")


def test_a_missing_package_is_said_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else 1)
    with pytest.raises(ConfigError, match=r"\(mlflow\): pip install 'pushfit\[mlflow\]'"):
        tracking.check(str(tmp_path))


def test_how_to_look_at_a_run_is_told() -> None:
    assert looking("/a folder").endswith(
        "mlflow ui --backend-store-uri 'sqlite:////a folder/mlflow.db'"
    )
    assert looking("http://me:secret@host:5000") == "The run is in MLflow at http://me:…@host:5000"


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:…@host/db"
    assert shown("http://host:5000") == "http://host:5000"


@pytest.mark.slow
def test_a_run_is_told_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)])
    model = tmp_path / "best.keras"
    net.save(model)
    tracker = a_tracker(str(tmp_path / "mlruns"))
    tracker.metrics(0, {"loss": 0.5, "generators": 2.0})
    assert tracker.close("KILLED") == ""
    assert only_run(tmp_path / "mlruns").info.status == "KILLED"

    tracker = a_tracker(str(tmp_path / "mlruns"), params={"seed": "6"})
    tracker.metrics(1, {"loss": 0.25, "val_loss": math.nan})
    files = [model, tmp_path / "quarantine.jsonl"]
    given = model, mlmodel.signature(net)
    assert tracker.close("FINISHED", files, model=given) == ""
    run = only_run(tmp_path / "mlruns")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "one"
    assert run.data.params == {"seed": "5"}
    assert run.data.tags[TAG] == "a1"
    history = client(tmp_path / "mlruns").get_metric_history(run.info.run_id, "loss")
    assert [(row.step, row.value) for row in history] == [(0, 0.5), (1, 0.25)]
    found = [path.read_bytes() for path in (tmp_path / "mlruns").rglob("best.keras")]
    assert found == [model.read_bytes()]
    # The model is one of MLflow's: it says what it takes, and MLflow loads it.
    (folder,) = (path.parent for path in (tmp_path / "mlruns").rglob("MLmodel"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own, as it is imported
        from mlflow import MlflowException, pyfunc
        from mlflow.keras import load_model

        x = np.ones((2, 3), np.float32)
        expected = net.predict_on_batch(x)
        np.testing.assert_array_equal(load_model(str(folder)).predict_on_batch(x), expected)
        served = pyfunc.load_model(str(folder))
        np.testing.assert_allclose(served.predict(x), expected)
        with pytest.raises(MlflowException, match="schema"):  # it knows what it takes
            served.predict(np.ones((2, 4), np.float32))


@pytest.mark.slow
def test_what_a_tracker_in_trouble_missed_it_gets_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pushfit.trainer")
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.05)
    folder = tmp_path / "mlruns"
    folder.write_text("a file, where the folder is to be")
    tracker = a_tracker(str(folder))
    tracker.metrics(0, {"loss": 0.5})
    while not tracker.trouble:
        time.sleep(0.01)
    tracker.metrics(1, {"loss": 0.25})
    folder.unlink()
    while tracker.trouble:
        time.sleep(0.01)
    assert tracker.close("FINISHED") == ""
    history = client(folder).get_metric_history(only_run(folder).info.run_id, "loss")
    assert [row.step for row in history] == [0, 1]
    warnings = [row for row in caplog.records if row.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "is there again" in caplog.text


@pytest.mark.slow
def test_a_server_that_is_down_is_named_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here one that takes connections and never answers."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(tracking, "END_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = a_tracker(f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}")
        tracker.metrics(0, {"loss": 0.5})
        said = tracker.close("FINISHED")
        assert "http://user:…@127.0.0.1" in said
        assert "did not get all of this run" in said
        tracker._thread.join(30)
        assert not tracker._thread.is_alive()
    assert "secret" not in tracker.trouble
