"""The hash of what decides a task's samples: of its own files, and of no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit import tasks
from pushfit.tasks import compatibility, source


def of(task: str) -> set[str]:
    file = source.PACKAGE / "tasks" / task / "task.py"
    return {path.relative_to(source.PACKAGE).as_posix() for path in source.files(file)}


def test_a_task_counts_what_it_imports_and_the_randomness() -> None:
    camera, digits = of("camera"), of("digits")
    assert {"tasks/camera/manipulations.py", "decoding/images.py", "plan/philox.py"} <= camera
    assert {"tasks/digits/elastic.py", "tasks/base.py", "plan/order.py"} <= digits
    assert not [name for name in camera if name.startswith("tasks/digits/")]
    assert not [name for name in digits if name.startswith(("tasks/camera/", "decoding/"))]


@pytest.mark.parametrize("task", sorted(tasks.TASKS))
def test_other_rooms_do_not_count(task: str) -> None:
    assert {name.partition("/")[0] for name in of(task)} <= set(source.ROOMS)


def test_a_users_file_counts_what_it_takes_from_pushfit(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from pushfit.tasks.labelled import LabelledImages\n")
    found = {path.relative_to(source.PACKAGE).as_posix() for path in source.files(file)}
    assert {"tasks/labelled.py", "tasks/folders.py", "decoding/jpeg.py"} <= found
    assert "tasks/hdf5/task.py" not in found


def test_the_hash_is_that_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pushfit"
    for name in ("plan/order.py", "plan/philox.py", "tasks/mine.py", "tasks/beside.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    (package / "tasks/mine.py").write_text("def f():\n    from pushfit.tasks import beside\n")
    monkeypatch.setattr(source, "PACKAGE", package)
    always = (package / "plan/order.py", package / "plan/philox.py")
    monkeypatch.setattr(source, "ALWAYS", always)

    def now() -> str:
        return source.source_hash.__wrapped__(str(package / "tasks/mine.py"))

    first = now()
    assert now() == first
    (package / "tasks/alone.py").write_text("x = 1")
    assert now() == first
    (package / "tasks/beside.py").write_text("x = 1")
    assert now() != first


def test_differences_are_told_by_what_they_are() -> None:
    assert (
        compatibility.compare_sources("a", "a") == "" == compatibility.compare_sources("a+b", "a+b")
    )
    assert "install the trainer's" in compatibility.compare_sources("b", "a")
    assert "its file of the task (none) is not this run's (b)" in compatibility.compare_sources(
        "a", "a+b"
    )
    assert compatibility.compare_versions(source.PACKAGE.name) != ""
