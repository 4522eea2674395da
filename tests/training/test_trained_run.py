"""A run is found by its folder or its file, with the task it was trained for; else it says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.runs.checkpoint_state import BEST, LAST
from pushfit.tasks import compatibility
from pushfit.tasks.digits.task import DigitsTask
from pushfit.training import checkpoint, trained_run
from tests.support.checkpoints import DIGITS, model, save
from tests.support.own_tasks import write_task


def test_a_run_has_the_task_and_parameters_that_it_was_trained_with(tmp_path: Path) -> None:
    folder = save(tmp_path / "one")
    run = trained_run.find(folder)
    assert run.name == "one"
    assert run.classes == ("a", "b")
    assert isinstance(run.task, DigitsTask)
    assert (run.task.params.side, run.task.params.rotation) == (20, 5.5)
    assert run.model()(np.zeros((3, 4))).shape == (3, 2)
    assert trained_run.find(folder / LAST).name == "one"


def test_the_best_model_is_taken_before_the_last(tmp_path: Path) -> None:
    folder = save(save(tmp_path / "one"), BEST, classes=("better", "best"))
    assert trained_run.find(folder).file == folder / BEST
    assert trained_run.find(folder).classes == ("better", "best")


def test_a_task_from_a_file_is_looked_for_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_task(tmp_path / "mytask.py")
    source = compatibility.source_of(tasks.load(str(file)))
    settings = {"task": str(file), "size": "32", "gain": "0.25"}
    task = trained_run.find(save(tmp_path / "one", settings=settings, source=source)).task
    assert (task.name, task.params) == ("dots", task.Params(size=32, gain=0.25))
    assert not caplog.records
    trained_run.find(save(tmp_path / "two", settings=settings, source="ours+other"))
    assert f"{file}, or what it imports, is not as it was when {tmp_path}/two was" in caplog.text
    gone = settings | {"task": str(tmp_path / "gone.py")}
    with pytest.raises(ConfigError, match=r"three was trained with --task .*gone.py: .*no file"):
        trained_run.find(save(tmp_path / "three", settings=gone))


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"task": "digit"}, "there is no 'digit', did you mean 'digits'"),
     ({**DIGITS, "side": "wide"}, "side of the run .*: 'wide' is not valid")],
)  # fmt: skip
def test_what_is_not_known_here_is_named(
    tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        trained_run.find(save(tmp_path / "one", settings=settings))


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no run .*gone"):
        trained_run.find(tmp_path / "gone")
    with pytest.raises(ConfigError, match="holds no model, neither best"):
        trained_run.find(tmp_path)
    checkpoint.save(model(), tmp_path / LAST)
    with pytest.raises(ConfigError, match="not the checkpoint of a run"):
        trained_run.find(tmp_path)
