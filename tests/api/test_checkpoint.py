"""A training in a script of one's own that is killed and resumed: the same weights, exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pushfit
from pushfit.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "loops" / "keras_fit.py"
# The example, slow enough to be killed within an epoch, and with what a test wants to know.
SCRIPT = """
import sys, time, json, keras, numpy
links, file, report, pause = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])

class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(pause)

fit = keras.Model.fit
keras.Model.fit = lambda self, *given, callbacks, **named: fit(
    self, *given, callbacks=[*callbacks, Slow()], verbose=0, **named)
sys.argv = [EXAMPLE, links, file]
space = {"__name__": "__main__"}
exec(compile(open(EXAMPLE).read(), EXAMPLE, "exec"), space)
weights = [numpy.asarray(each).tolist() for each in space["model"].get_weights()]
moments = [keras.ops.convert_to_numpy(v).tolist() for v in space["model"].optimizer.variables]
json.dump({"weights": weights, "moments": moments, "report": space["stream"].report(),
           "epoch": space["stream"].state_dict()["epoch"]}, open(report, "w"))
"""


class Run:
    """The example as a process. pause: seconds between its steps."""

    def __init__(self, folder: Path, backend: str, digits: Path, name: str, pause: float) -> None:
        self.file, self.report = folder / f"{name}.keras", folder / f"{name}.json"
        script = folder / "script.py"
        script.write_text(f"EXAMPLE = {str(EXAMPLE)!r}\n{SCRIPT}")
        environ = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "PUSHFIT_BIND": "tcp://127.0.0.1:*",
            "PUSHFIT_HASH": "yes",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        words = [sys.executable, script, digits, self.file, self.report, pause]
        self.process = subprocess.Popen(
            [str(word) for word in words],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ended(self) -> dict[str, Any]:
        output, _ = self.process.communicate(timeout=250)
        assert self.process.returncode == 0, output[-3000:]
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found

    def kill_within_an_epoch(self) -> None:
        """Kill it after its first save within an epoch."""
        until = time.monotonic() + 200
        while not self.file.exists() and self.process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert self.process.poll() is None, self.process.communicate()[0]
        self.process.kill()
        self.process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_run_that_was_killed_has_the_same_weights(
    tmp_path: Path, backend: str, many_digits: Path
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    whole = Run(tmp_path, backend, many_digits, "whole", 0).ended()
    assert [row["missing"] for row in whole["report"]["splits"]["train"]] == [0] * 3
    killed = Run(tmp_path, backend, many_digits, "killed", 0.1)
    killed.kill_within_an_epoch()
    assert pushfit.stream("digits", links=many_digits, batch_size=64, epochs=3, hash=True,
                          state=killed.file)  # fmt: skip
    again = Run(tmp_path, backend, many_digits, "killed", 0).ended()
    assert again["weights"] == whole["weights"]
    assert again["moments"] == whole["moments"]
    assert again["report"]["splits"] == whole["report"]["splits"]
    assert again["report"]["run"] != whole["report"]["run"]
    # It is a run like any other: `predict` and `serve` read it.
    from pushfit.training import trained_run

    run = trained_run.find(killed.file)
    assert run.classes == tuple("0123456789")
    assert np.asarray(run.model().get_weights()[0]).shape[1] == 10


def test_where_a_checkpoint_cannot_go(tmp_path: Path, digits: Path) -> None:
    stream = pushfit.stream("digits", links=digits, bind="tcp://127.0.0.1:*")
    for path, every, said in (
        (tmp_path / "model.h5", 0, "must end in .keras"),
        (tmp_path / "no" / "model.keras", 0, "there is no folder"),
        (tmp_path / "model.keras", -1, "every is -1: give a number of batches, or 0"),
    ):
        with pytest.raises(ConfigError) as error:
            pushfit.Checkpoint(stream, path, every)
        assert said in str(error.value)


def test_a_file_that_would_be_replaced_is_named(
    tmp_path: Path, digits: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model.keras").write_bytes(b"of another run")
    stream = pushfit.stream("digits", links=digits, bind="tcp://127.0.0.1:*")
    pushfit.Checkpoint(stream, tmp_path / "model.keras")
    assert "model.keras exists, and this stream does not continue from it" in caplog.text
    assert (tmp_path / "model.keras").read_bytes() == b"of another run"
