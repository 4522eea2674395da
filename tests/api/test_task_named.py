"""What a call may give as its task."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from pushfit.api.task_named import name_of
from pushfit.errors import ConfigError
from pushfit.tasks.digits.task import DigitsTask
from tests.support.own_tasks import GOOD, write_task


def imported(path: Path, name: str = "some_tasks") -> Any:
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_names_files_and_classes(tmp_path: Path) -> None:
    path = write_task(tmp_path / "dots.py")
    assert name_of("digits") == "digits"
    assert name_of(path) == name_of(str(path)) == str(path)
    assert name_of(DigitsTask) == "digits"
    assert name_of(imported(path).Dots) == str(path)


def test_a_class_of_a_notebook() -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(GOOD, "<ipython-input-3>", "exec"), space)
    with pytest.raises(ConfigError, match="was typed into a notebook or a prompt, and generators"):
        name_of(space["Dots"])


def test_a_class_of_the_running_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = imported(write_task(tmp_path / "script.py"))
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setattr(module.Dots, "__module__", "__main__")
    with pytest.raises(ConfigError, match=r"stands in the script that is running, script\.py, and"):
        name_of(module.Dots)


def test_what_is_no_task() -> None:
    with pytest.raises(ConfigError, match="task is 3: give the name of a built-in task, the path"):
        name_of(3)
