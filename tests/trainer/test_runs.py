"""A run is found by its folder or its file, with the task it was trained for; else it says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import tasks
from lib.errors import ConfigError
from lib.tasks import identity
from lib.tasks.digits import DigitsTask
from lib.trainer import checkpoint, runs
from lib.trainer.state import BEST, LAST
from tests.own_tasks import write_task
from tests.trainer.test_state import a_state, model

DIGITS = {"task": "digits", "side": "20", "rotation": "5.5", "batch_size": "32"}


def save(folder: Path, name: str = LAST, **different: Any) -> Path:
    folder.mkdir(exist_ok=True)
    net = model()
    checkpoint.save(net, folder / name, a_state(net, **{"settings": DIGITS} | different))
    return folder


def test_a_run_has_the_task_and_parameters_that_it_was_trained_with(tmp_path: Path) -> None:
    folder = save(tmp_path / "one")
    run = runs.find(folder)
    assert run.name == "one"
    assert run.classes == ("a", "b")
    assert isinstance(run.task, DigitsTask)
    assert (run.task.params.side, run.task.params.rotation) == (20, 5.5)
    assert run.model()(np.zeros((3, 4))).shape == (3, 2)
    assert runs.find(folder / LAST).name == "one"


def test_the_best_model_is_taken_before_the_last(tmp_path: Path) -> None:
    folder = save(save(tmp_path / "one"), BEST, classes=("better", "best"))
    assert runs.find(folder).file == folder / BEST
    assert runs.find(folder).classes == ("better", "best")


def test_a_task_from_a_file_is_looked_for_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_task(tmp_path / "mytask.py")
    source = identity.source_with(tasks.load(str(file)).source)
    settings = {"task": str(file), "size": "32", "gain": "0.25"}
    task = runs.find(save(tmp_path / "one", settings=settings, source=source)).task
    assert (task.name, task.params) == ("dots", task.Params(size=32, gain=0.25))
    assert not caplog.records
    runs.find(save(tmp_path / "two", settings=settings, source=identity.source_with("other")))
    assert f"{file}, or what it imports, is not as it was when {tmp_path}/two was" in caplog.text
    gone = settings | {"task": str(tmp_path / "gone.py")}
    with pytest.raises(ConfigError, match=r"three was trained with --task .*gone.py: .*no file"):
        runs.find(save(tmp_path / "three", settings=gone))


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"task": "digit"}, "there is no 'digit', did you mean 'digits'"),
     ({**DIGITS, "side": "wide"}, "side of the run .*: 'wide' will not do")],
)  # fmt: skip
def test_what_is_not_known_here_is_named(
    tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        runs.find(save(tmp_path / "one", settings=settings))


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no run .*gone"):
        runs.find(tmp_path / "gone")
    with pytest.raises(ConfigError, match="holds no model, neither best"):
        runs.find(tmp_path)
    checkpoint.save(model(), tmp_path / LAST)
    with pytest.raises(ConfigError, match="no checkpoint of a run"):
        runs.find(tmp_path)
