"""A task held to its own interface: what its methods return is what it says, or a TaskError.

    declaration(task)        arrays() and to_fit(), at the start of a run, before a sample is made
    scan(task, links)        the data set, with each record of a task of one's own looked at
    unread(data, …)          whether any of it can be read
    Samples(task, …).check   each sample, or block of them, named by its record

What is wrong here is wrong with the code, not with a record: no substitute would mend it, so it
ends the run. What the code *raises* over a record is that record's fault (`generator/maker.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import PushFitError, TaskError, raised
from lib.tasks.base import TEST, TRAIN, VAL, ArraySpec, DataSet, Record, Task

LABEL = "label"  # the array that holds a class, where --model is taught to tell classes
MOST_ARRAYS = 64  # the wire takes no more
LONGEST = 200  # characters of a name, there
KINDS = "biuf"  # of dtypes: truth values, whole numbers, numbers
TRIES = 5  # records that are tried before a split counts as unreadable
ROWS = 2  # of the batch that `to_fit` is tried on
_RAISED = (Exception, SystemExit)


def declaration(task: Task) -> None:
    """Raises TaskError where arrays() or to_fit() cannot serve."""
    specs = called(task, "arrays")
    if not isinstance(specs, tuple) or not specs or len(specs) > MOST_ARRAYS:
        raise _wrong(task, f"arrays() returned {_kind(specs)}, not a tuple of ArraySpec")
    for spec in specs:
        if complaint := _spec_complaint(spec):
            raise _wrong(task, f"arrays() returned {spec!r}: {complaint}")
    names = [spec.name for spec in specs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(task, f"arrays() names {twice!r} twice")
    pair = _tried(task, specs)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise _wrong(task, f"to_fit() returned {_kind(pair)}, not a pair (x, y)")
    for what, part in zip("xy", pair, strict=True):
        for where, value in _leaves(part, what):
            if not isinstance(value, np.ndarray) or value.dtype.kind not in KINDS:
                raise _wrong(task, f"to_fit() returned {where} as {_kind(value)}, not an array")
            if value.shape[:1] != (ROWS,):
                raise _wrong(
                    task,
                    f"to_fit() returned {where} as {_kind(value)} for a batch of {ROWS} samples: "
                    f"its shape must begin with {ROWS}",
                )


def shown(task: Task, specs: Iterable[ArraySpec]) -> str:
    """What to_fit() returns for ROWS samples: ``"x as uint8[2, 32, 32, 3], y as int32[2]"``."""
    pair = zip("xy", _tried(task, specs), strict=True)
    leaves = [leaf for what, part in pair for leaf in _leaves(part, what)]
    return ", ".join(f"{where} as {_kind(value)}" for where, value in leaves)


def _tried(task: Task, specs: Iterable[ArraySpec]) -> Any:
    blank = {spec.name: np.zeros((ROWS, *spec.shape), spec.dtype) for spec in specs}
    return called(task, "to_fit", blank)


def _spec_complaint(spec: Any) -> str:
    if not isinstance(spec, ArraySpec):
        return "it is no ArraySpec"
    if not isinstance(spec.name, str) or not 0 < len(spec.name) <= LONGEST:
        return "its name must be text"
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        return f"numpy knows no dtype {spec.dtype!r}"
    if not isinstance(spec.dtype, str) or dtype.kind not in KINDS or not dtype.isnative:
        return "its dtype must be the name of a kind of number, e.g. 'uint8' or 'float32'"
    sides = spec.shape
    if not isinstance(sides, tuple) or not all(type(side) is int and side > 0 for side in sides):
        return "its shape must be a tuple of whole numbers above 0, or ()"
    return ""


def _leaves(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    """(``x['click']``, array) of every array that Keras will see in `part`."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            yield from _leaves(value, f"{where}[{key!r}]")
    elif isinstance(part, tuple | list):
        for number, value in enumerate(part):
            yield from _leaves(value, f"{where}[{number}]")
    else:
        yield where, part


def scan(task: Task, links: Path, wanted: Collection[str] = ()) -> DataSet:
    """`task.scan_for(links, wanted)`. Raises DataError; TaskError for what is no data set."""
    if not task.source:
        return task.scan_for(links, wanted)
    data: DataSet = called(task, "scan_test" if TEST in wanted else "scan", links)
    if not isinstance(data, DataSet):
        raise _wrong(task, f"scan() returned {_kind(data)}, not a DataSet")
    classes, splits = data.classes, data.splits
    if not isinstance(classes, tuple) or not classes or not all(map(_is_name, classes)):
        raise _wrong(task, f"scan() returned the classes {classes!r}, not a tuple of names")
    if len(set(classes)) < len(classes):
        raise _wrong(task, "scan() returned two classes of one name")
    if not isinstance(splits, dict) or not set(splits) <= {TRAIN, VAL, TEST}:
        raise _wrong(task, f"scan() returned splits that are not {{{TRAIN!r}: …, {VAL!r}: …}}")
    for split, records in splits.items():
        if not isinstance(records, tuple):
            raise _wrong(
                task, f"scan() returned {split} as {_kind(records)}, not a tuple of Record"
            )
        _check_records(task, split, records, len(classes))
    return data


def unread(
    data: DataSet, splits: Iterable[str], read: Callable[[str, int], object]
) -> tuple[str, OSError] | None:
    """(a path, why it cannot be read) where that is so of TRIES records, spread over a split.

    read: of a record of a split. Raises OSError where storage is to blame; else it passes through.
    """
    for split in splits:
        records = data.splits.get(split, ())
        if failed := _unread(records, partial(read, split)):
            return failed
    return None


def _unread(records: Sequence[Record], read: Callable[[int], object]) -> tuple[str, OSError] | None:
    first: tuple[str, OSError] | None = None
    spread = np.linspace(0, len(records) - 1, TRIES, dtype=int).tolist() if records else []
    for number in dict.fromkeys(spread):
        try:
            read(number)
        except OSError as error:
            first = first or (records[number].path, error)
            if isinstance(error, TimeoutError):
                break  # the others would take as long
        else:
            return None
    return first


def _check_records(task: Task, split: str, records: Iterable[Any], classes: int) -> None:
    before: tuple[int, str] = (0, "")
    for number, record in enumerate(records):
        if not isinstance(record, Record) or not _is_name(record.path, longest=4096):
            raise _wrong(task, f"scan() returned as record {number} of {split}: {record!r}")
        if type(record.label) is not int or not 0 <= record.label < classes:
            raise _wrong(
                task,
                f"scan() gave {record.path} the label {record.label!r}: it must be an int from 0 "
                f"to {classes - 1}, the place of its class",
            )
        if type(record.size) is not int or record.size < 0:
            raise _wrong(
                task, f"scan() gave {record.path} the size {record.size!r}: it must be its bytes"
            )
        if (record.label, record.path) < before and split != TEST:  # those are in their own order
            raise _wrong(
                task,
                f"scan() returned {record.path} after {before[1]}: sort the records of a split by "
                "(label, path), so that they have the same numbers on every host",
            )
        before = record.label, record.path


def _is_name(text: Any, longest: int = LONGEST) -> bool:
    return isinstance(text, str) and 0 < len(text) <= longest and text.isprintable()


class Samples:
    """Of one task. classes: how many there are; 0: labels may be unknown, and are not looked at."""

    def __init__(self, task: Task, specs: tuple[ArraySpec, ...], classes: int) -> None:
        self._task, self._classes = task, classes
        self._specs = [(spec, np.dtype(spec.dtype)) for spec in specs]
        taught_classes = (
            classes and type(task).build_model is Task.build_model and task.loss is None
        )
        self._label = LABEL if taught_classes else ""

    def check(self, made: Any, how: str, where: str, rows: tuple[int, ...] = ()) -> list[Any]:
        """The values of `made`, in the order of the specs. Raises TaskError.

        how: the method that made it; where: the record; rows: what comes before each shape.
        """
        if not isinstance(made, Mapping):
            raise self._wrong(how, where, f"returned {_kind(made)}, not a dict of arrays")
        values = []
        for spec, dtype in self._specs:
            if spec.name not in made:
                raise self._wrong(how, where, f"returned no {spec.name!r}")
            value = made[spec.name]
            shape = rows + spec.shape
            if isinstance(value, np.ndarray):
                fits = value.dtype == dtype and value.shape == shape
            else:
                fits = not shape and _is_number(value, dtype)
            if not fits:
                wanted = f"{spec.dtype}{list(shape)}" if shape else spec.dtype
                raise self._wrong(
                    how, where, f"returned {spec.name!r} as {_kind(value)}, not {wanted}"
                )
            if spec.name == self._label and not spec.shape and dtype.kind in "iu":
                self._check_label(value, how, where)
            values.append(value)
        if len(made) != len(self._specs):
            names = {spec.name for spec, _ in self._specs}
            extra = next(name for name in made if name not in names)
            raise self._wrong(how, where, f"returned {extra!r}, which arrays() does not name")
        return values

    def _check_label(self, value: Any, how: str, where: str) -> None:
        low, high = (value.min(), value.max()) if getattr(value, "ndim", 0) else (value, value)
        if low < 0 or high >= self._classes:
            wrong = int(low if low < 0 else high)
            raise self._wrong(
                how,
                where,
                f"returned the {self._label!r} {wrong}: classes are 0 to {self._classes - 1}",
            )

    def _wrong(self, how: str, where: str, what: str) -> TaskError:
        return _wrong(self._task, f"{how}() of {where} {what}")


def _is_number(value: Any, dtype: np.dtype) -> bool:
    """Whether `value`, no array, can be stored as `dtype` as it is."""
    if isinstance(value, np.generic):
        return value.dtype == dtype
    if isinstance(value, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min) <= value <= int(limits.max)
    return isinstance(value, bool if dtype.kind == "b" else int | float) and dtype.kind in "bf"


def _kind(value: Any) -> str:
    """What `value` is, for people: ``"float64[32, 32, 3]"``, ``"a list"``, ``"300"``."""
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype}{list(value.shape)}" if value.shape else str(value.dtype)
    if value is None or isinstance(value, int | float):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def called(task: Task, how: str, *arguments: Any) -> Any:
    """What the task's method `how` returns. Raises TaskError for what it raises by mistake."""
    try:
        return getattr(task, how)(*arguments)
    except PushFitError:
        raise
    except _RAISED as error:
        file = getattr(getattr(task, how), "__func__", None)
        file = file.__code__.co_filename if file is not None else ""
        raise _wrong(task, f"{how}() raised {raised(error, file)}") from error


def _wrong(task: Task, what: str) -> TaskError:
    return TaskError(f"task {task.name}: {what}")
