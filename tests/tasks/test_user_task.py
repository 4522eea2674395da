"""A task from a file: found, named, hashed with what it imports; whatever is wrong with it told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.lab.processes import ROOT
from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.tasks import checks, compatibility, user_file
from pushfit.tasks.base import NoParams, Record
from tests.support.own_tasks import GOOD, write_task

PLAIN = """
from pushfit.tasks.labelled import LabelledImages

class Plain(LabelledImages):
    name = "plain"
"""


def test_the_one_task_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_task(tmp_path / "mytask.py")
    task = tasks.load(str(file))
    assert (task.name, task.__name__) == ("dots", "Dots")
    assert re.fullmatch("[0-9a-f]{16}", task.source)
    assert set(task.Params.__struct_fields__) == {"size", "held_out", "only", "without", "gain"}
    monkeypatch.chdir(tmp_path)
    assert tasks.load("mytask.py") is task  # however it is named
    assert not (tmp_path / "__pycache__").exists()


def test_a_task_needs_no_parameters(tmp_path: Path) -> None:
    source = PLAIN.replace("LabelledImages", "Task").replace("labelled", "base")
    methods = ("scan", "arrays", "decode", "sample", "to_fit")
    source += "".join(f"    def {name}(self, *_): pass\n" for name in methods)
    task = tasks.load(str(write_task(tmp_path / "a.py", source)))
    assert task.Params is NoParams
    assert tasks.create("plain", {}, compatibility.source_of(task), task).params == NoParams()


def test_the_hash_is_of_the_file_and_of_what_it_imports_from_its_folder(tmp_path: Path) -> None:
    def source(folder: str, name: str = "a.py", **helpers: str) -> str:
        main = "import beside\n" + PLAIN
        for helper, text in helpers.items():
            write_task(tmp_path / folder / f"{helper}.py", text)
        return user_file.source(write_task(tmp_path / folder / name, main))

    same = source("one", beside="import beside2 as b", beside2="X = 1", beside3="")
    moved = source("two", "b.py", beside="import beside2 as b", beside2="X = 1", beside3="changed")
    assert same == moved  # the name of the file itself, and what it does not import, do not count
    assert same != source("three", beside="import beside2 as b", beside2="X = 2")
    assert same != source("four", beside="from beside3 import y", beside3="X = 1")
    (tmp_path / "five" / "beside").mkdir(parents=True)
    write_task(tmp_path / "five" / "beside" / "deep.py", "X = 1")
    first = source("five")
    write_task(tmp_path / "five" / "beside" / "deep.py", "X = 2")
    assert source("five") != first


def test_what_lies_beside_it_can_be_imported_at_once_and_later(tmp_path: Path) -> None:
    write_task(tmp_path / "beside.py", "SIDE = 7")
    write_task(tmp_path / "beside_late.py", "LATE = 8")
    write_task(tmp_path / "msgspec.py", "raise SystemExit('in place of the library')")
    method = "    def late(self):\n        import beside_late\n        return beside_late.LATE\n"
    source = f"import beside, msgspec\n{PLAIN}    side = beside.SIDE\n{method}"
    task: Any = tasks.load(str(write_task(tmp_path / "a.py", source)))
    assert (task.side, task.late(None)) == (7, 8)


def test_the_first_task_of_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-own-task.md").read_text(encoding="utf-8")
    source = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    task = tasks.load(str(write_task(tmp_path / "mytask.py", source)))
    pets: Any = task(task.Params())
    checks.declaration(pets)
    image = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    seen = [
        pets.sample(image, Record("a", 1, 0), "train", 0, np.random.default_rng(seed))["image"]
        for seed in range(10)
    ]
    mirrored = sum((each == image[:, ::-1]).all() for each in seen)
    assert 0 < mirrored < 10 == mirrored + sum((each == image).all() for each in seen)


TWO = PLAIN + "\nclass Other(Plain):\n    name = 'other'\n"
ABSTRACT = "from pushfit.tasks.base import Task\nclass Half(Task):\n    def decode(self): pass\n"
WRONG = [
    ("def (:", r"a\.py line 1 is not Python: invalid syntax"),
    ("x = '\0'", r"a\.py.* is not Python: source code .*null bytes"),
    ("\n\n1 / 0", r"a\.py: ZeroDivisionError: .* \(a\.py:3 in <module>\)"),
    ("raise SystemExit(3)", r"a\.py: SystemExit: 3 \(a\.py:1 in"),
    ("import nowhere_at_all", r"No module named 'nowhere_at_all' \(a\.py:1 .*install it here"),
    ("from pushfit.tasks.base import Nothing", r"ImportError: cannot import name 'Nothing'"),
    ("x = 1", r"a\.py holds no task: no class in it derives from Task"),
    ("from pushfit.tasks.labelled import LabelledImages", "holds no task"),  # imported, not its own
    (ABSTRACT, r"Half in .*a\.py lacks arrays, sample, scan, to_fit"),
    (TWO, r"a\.py holds 2 tasks \(Plain, Other\): one file, one task"),
    (PLAIN.replace('name = "plain"', "pass"), r'Plain in .* has no name: .* name = "plain"'),
    (PLAIN.replace('"plain"', '"My Task"'), "has the name 'My Task': give it one of lower-case"),
    (PLAIN.replace('"plain"', "7"), "has the name 7"),
    (
        PLAIN.replace('"plain"', '"digits"'),
        "'digits', which is that of a built-in task: choose another",
    ),
    (PLAIN + "    Params = dict", "Params is <class 'dict'>, it must be a class of msgspec.Struct"),
    (PLAIN + "    Params = None", "Params is None"),
    (PLAIN + "    interface = 2", r"for version 2 of the interface of tasks, .* has version 1"),
    (PLAIN + "    interface = '1'", "interface is '1', it must be a whole number from 1 on"),
    (GOOD.replace("gain:", "Gain:"), "a parameter cannot be called 'Gain'"),
    (GOOD.replace("gain:", "no_gain:"), "a parameter cannot be called 'no_gain'"),
    (GOOD.replace("gain:", "help:"), "a parameter cannot be called 'help'"),
]


@pytest.mark.parametrize(("source", "says"), WRONG)
def test_a_file_that_cannot_serve_is_told_with_its_line(
    tmp_path: Path, source: str, says: str
) -> None:
    file = write_task(tmp_path / "a.py", source)
    for _ in "twice":  # a failure leaves nothing behind
        with pytest.raises(ConfigError, match=says) as raised:
            tasks.load(str(file))
        assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_task(tmp_path / "mytask.py")
    (tmp_path / "dir.py").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, says in [
        ("mytaks.py", f"there is no file {tmp_path}/mytaks.py, did you mean 'mytask.py'"),
        ("gone/mytask.py", "there is no file"),
        ("dir.py", f"{tmp_path}/dir.py is a folder, not a Python file"),
        ("mytask", "there is no 'mytask', did you mean the file 'mytask.py'"),
        (
            "mitask",
            "there is no 'mitask' (known: camera, images, digits, hdf5); to use your own task",
        ),
        ("digit", "there is no 'digit', did you mean 'digits'"),
        ("", "there is no ''"),
    ]:
        with pytest.raises(ConfigError, match=re.escape(says)):
            tasks.load(name)


def test_a_helper_that_is_not_python_is_named(tmp_path: Path) -> None:
    write_task(tmp_path / "beside.py", "def (:")
    with pytest.raises(ConfigError, match=r"beside\.py line 1 is not Python"):
        tasks.load(str(write_task(tmp_path / "a.py", "import beside\n" + PLAIN)))


def test_a_name_from_the_wire_is_built_in_or_the_one_that_is_here(tmp_path: Path) -> None:
    file = write_task(tmp_path / "mytask.py")
    task = tasks.load(str(file))
    made = tasks.create("dots", {"size": 32, "gain": 0.25}, compatibility.source_of(task), task)
    assert type(made) is task
    assert (made.params.size, made.params.held_out, made.params.gain) == (32, 0.1, 0.25)
    for name in ("dots", str(file), "mytask.py"):
        with pytest.raises(ConfigError, match="there is no"):
            tasks.create(name, {}, "", task)
    copy = r"copy that file here, .* and start this generator with --task FILE"
    for name, source, here, says in [
        ("dots", compatibility.source_of(task), None, "this generator was started without one"),
        ("other", "ours+abc", task, "this generator has the task 'dots'"),
        ("dots", "ours+abc", task, f"this generator has another version of it, {task.source}"),
    ]:
        with pytest.raises(ConfigError, match=rf"runs the task '{name}' .* and {says}: {copy}"):
            tasks.create(name, {}, source, here)
    with pytest.raises(ConfigError, match=r"task dots: .*gain"):
        tasks.create("dots", {"gain": "much"}, compatibility.source_of(task), task)
