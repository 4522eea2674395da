"""A file that data names runs only if the user has named it, as it is, on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.tasks import user_task
from tests.support.own_tasks import GOOD, write_task

REFUSED = r"the run in runs/a was made with the task in .*, and you have not named that file on "


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def in_another_process() -> None:
    user_task._loaded.clear()


def trap(tmp_path: Path) -> str:
    """A file that leaves a mark where it runs."""
    source = f"open({str(tmp_path / 'ran')!r}, 'a').close()\n" + GOOD
    return str(write_task(tmp_path / "mytask.py", source))


def test_what_was_never_named_does_not_run(tmp_path: Path) -> None:
    name = trap(tmp_path)
    with pytest.raises(
        ConfigError, match=REFUSED + ".*does not run: look into the file, .* give --task"
    ):
        tasks.load(name, said_by="the run in runs/a")
    assert not (tmp_path / "ran").exists()


def test_what_was_named_runs_as_long_as_it_is_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = trap(tmp_path)
    tasks.load(name)
    in_another_process()
    caplog.set_level("INFO", logger="pushfit")
    for _ in range(2):
        assert tasks.load(name, said_by="the run in runs/a").name == "dots"
    assert (
        len([each for each in caplog.records if "named before on this host" in each.message]) == 1
    )
    in_another_process()
    Path(name).write_text(GOOD + "\n")
    with pytest.raises(ConfigError, match=REFUSED):
        tasks.load(name, said_by="the run in runs/a")
    elsewhere = write_task(tmp_path / "other" / "mytask.py", (tmp_path / "mytask.py").read_text())
    with pytest.raises(ConfigError, match=REFUSED):
        tasks.load(str(elsewhere), said_by="the run in runs/a")


def test_what_it_imports_from_its_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("GAIN = 1")
    name = str(write_task(tmp_path / "mytask.py", "import beside\n" + GOOD))
    tasks.load(name)
    in_another_process()
    (tmp_path / "beside.py").write_text("GAIN = 2")
    with pytest.raises(ConfigError, match=REFUSED):
        tasks.load(name, said_by="the run in runs/a")


def test_where_nothing_can_be_remembered_the_file_is_named_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = trap(tmp_path)
    for home in (Path(name), Path("/proc/none")):
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        assert tasks.load(name).name == "dots"
        in_another_process()
        with pytest.raises(ConfigError, match=REFUSED):
            tasks.load(name, said_by="the run in runs/a")


def test_built_in_tasks_are_nobodys_code() -> None:
    assert tasks.load("digits", said_by="the run in runs/a").name == "digits"
