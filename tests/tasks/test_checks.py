"""A task that does not keep to its own interface is told what it did, with the record's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushfit.errors import BadRecord, DataError, TaskError
from pushfit.tasks import checks
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.tasks.digits.task import DigitsParams, DigitsTask
from tests.support.fakes import NumberParams, NumberTask


class Own(NumberTask):
    source = "abc"


def own(**methods: Any) -> NumberTask:
    """A task of a user's own with other methods; each ignores its arguments."""
    made = {how: lambda *_, value=value: value for how, value in methods.items()}
    return type("Own", (Own,), made)(NumberParams())  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "task",
    [NumberTask(NumberParams()), CameraTask(CameraParams(aux=True, flag=True)),
     DigitsTask(DigitsParams())],
)  # fmt: skip
def test_tasks_that_keep_to_it(task: Any) -> None:
    checks.declaration(task)


ARRAYS: list[tuple[Any, str]] = [
    (None, "arrays() returned None, not a tuple of ArraySpec"),
    ([ArraySpec("x", "uint8", ())], "arrays() returned a list, not a tuple of ArraySpec"),
    ((), "not a tuple of ArraySpec"),
    (("image",), "it is not an ArraySpec"),
    ((ArraySpec("x", "unit8", ()),), "numpy knows no dtype 'unit8'"),
    ((ArraySpec("x", "object", ()),), "its dtype must be the name of a kind of number"),
    ((ArraySpec("x", ">f4", ()),), "its dtype must be the name of a kind of number"),
    ((ArraySpec("x", "uint8", [4, 4]),), "its shape must be a tuple"),  # type: ignore[arg-type]
    ((ArraySpec("x", "uint8", (None, 4)),), "its shape must be a tuple"),  # type: ignore[arg-type]
    ((ArraySpec("", "uint8", ()),), "its name must be text"),
    ((ArraySpec("x", "uint8", ()),) * 2, "arrays() names 'x' twice"),
]


@pytest.mark.parametrize(("value", "says"), ARRAYS)
def test_arrays_that_cannot_be_sent(value: Any, says: str) -> None:
    with pytest.raises(TaskError, match=re.escape(says)):
        checks.declaration(own(arrays=value))


TWO = np.zeros(2)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "to_fit() returned None, not a pair (x, y)"),
        ((TWO,), "to_fit() returned a tuple, not a pair (x, y)"),
        ((TWO, [None]), "to_fit() returned y[0] as None, not an array"),
        (({"image": TWO, "far": [TWO, "x"]}, TWO), "returned x['far'][1] as a str, not an array"),
        ((TWO, np.zeros(3)), "returned y as float64[3] for a batch of 2 samples"),
        ((TWO, np.float32(1)), "returned y as float32, not an array"),
        ((TWO, np.array(["a", "b"])), "returned y as <U1[2], not an array"),
    ],
)
def test_what_fit_cannot_take(value: Any, says: str) -> None:
    with pytest.raises(TaskError, match=re.escape(says)):
        checks.declaration(own(to_fit=value))


def test_a_mistake_in_to_fit_is_told_with_its_line() -> None:
    class Slip(Own):
        def to_fit(self, batch: Any) -> Any:
            return batch["imag"], 1

    with pytest.raises(TaskError, match=r"to_fit\(\) raised KeyError: 'imag' \(test_checks.py:\d+"):
        checks.declaration(Slip(NumberParams()))


def data(*records: Any, classes: Any = ("a", "b"), **splits: Any) -> DataSet:
    return DataSet(classes, {TRAIN: records, **splits})


A, B = Record("a/1", 1, 0), Record("b/1", 1, 1)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "scan() returned None, not a DataSet"),
        (data(A, classes=None), "the classes None, not a tuple of names"),
        (data(A, classes=["a"]), "the classes ['a'], not a tuple of names"),
        (data(A, classes=("a", "a")), "two classes of the same name"),
        (data(A, vall=()), "splits that are not {'train': …, 'val': …}"),
        (data(A, val=[B]), "returned val as a list, not a tuple of Record"),
        (data(A, ("b/1", 1, 1)), "as record 1 of train: ('b/1', 1, 1)"),
        (data(Record("", 1, 0)), "as record 0 of train"),
        (data(A, Record("b/1", 1, None)), "gave b/1 the label None: it must be an int from 0 to 1"),
        (data(A, Record("b/1", 1, 2)), "gave b/1 the label 2: it must be an int from 0 to 1"),
        (data(A, Record("b/1", 1, np.int64(1))), "gave b/1 the label np.int64(1)"),
        (data(A, Record("b/1", None, 1)), "gave b/1 the size None"),
        (data(B, A), "returned a/1 after b/1: sort the records of a split by (label, path)"),
    ],
)  # fmt: skip
def test_a_data_set_that_is_none(value: Any, says: str) -> None:
    with pytest.raises(TaskError, match=re.escape(says)):
        checks.scan(own(scan=value), Path())


def test_a_data_set_that_is_one() -> None:
    good = data(A, B, **{VAL: (B,)})
    assert checks.scan(own(scan=good), Path()) == good


def raising(error: Exception) -> Callable[..., Any]:
    def scan(*_: object) -> Any:
        raise error

    return scan


def test_what_scan_raises() -> None:
    def scanning(error: Exception) -> Any:
        return type("Own", (Own,), {"scan": raising(error)})(NumberParams())

    with pytest.raises(TaskError, match=r"scan\(\) raised TypeError: oh \(test_checks.py:\d+ in"):
        checks.scan(scanning(TypeError("oh")), Path())
    for meant in (DataError("no photos"), BadRecord("torn")):
        with pytest.raises(type(meant), match=str(meant)):
            checks.scan(scanning(meant), Path())


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("depth", "values is 'depth', not a tuple of names"),
        ((1, 2), r"values is \(1, 2\), not a tuple of names"),
        (("x", "x"), "name a column twice"),
        (("id",), "and 'id' name a column twice"),
    ],
)
def test_names_of_values_are_columns(values: Any, says: str) -> None:
    checks.declaration(type("Own", (Own,), {"values": ("x", "y")})(NumberParams()))
    with pytest.raises(TaskError, match=says):
        checks.declaration(type("Own", (Own,), {"values": values})(NumberParams()))


def test_a_scan_that_finds_no_files_is_no_error_of_the_task() -> None:
    """A trainer may be without the data, which then comes with its generators."""

    class Lost(Own):
        error: OSError = FileNotFoundError("rows.csv")

        def scan(self, links: Path) -> DataSet:
            raise self.error

    task = Lost(NumberParams())
    with pytest.raises(DataError, match="FileNotFoundError") as raised:
        checks.scan(task, Path())
    assert not isinstance(raised.value, TaskError)
    task.error = PermissionError("rows.csv")
    with pytest.raises(TaskError, match="PermissionError"):
        checks.scan(task, Path())


def test_a_data_set_without_classes(tmp_path: Path) -> None:
    records = Record("a"), Record("b", 3)
    data = checks.scan(own(scan=DataSet((), {TRAIN: records, VAL: ()})), tmp_path)
    assert data.counts() == {TRAIN: [2], VAL: [0]} and records[1].label == 0
    wrong = own(scan=DataSet((), {TRAIN: (Record("a", 0, 1),)}))
    with pytest.raises(TaskError, match="the label 1: it must be an int from 0 to 0"):
        checks.scan(wrong, tmp_path)


def test_targets_may_be_none_and_then_nothing_weighs_them() -> None:
    x, weights = np.zeros((2, 4)), np.ones(2)
    for made in ((x, None), (x, None, None)):
        task = own(to_fit=made)
        checks.declaration(task)
        assert not checks.has_targets(task)
        assert checks.shown(task, task.arrays()) == "x as float64[2, 4]"
    assert checks.has_targets(own(to_fit=(x, weights, None)))
    with pytest.raises(TaskError, match="a sample_weight, and None as y"):
        checks.declaration(own(to_fit=(x, None, weights)))
    with pytest.raises(TaskError, match="x as None, not an array"):
        checks.declaration(own(to_fit=(None, x)))
