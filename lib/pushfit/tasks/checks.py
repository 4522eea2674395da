"""Checks that a task's methods return what the task declares; if they do not, a TaskError.

    declaration(task)        checks arrays() and to_fit() at the start of a run
    scan(task, links)        checks the data set, for a user task each of its records
    unread(data, …)          checks that some records can be read

An error found here is an error of the code, not of a record. No substitute would help, so it ends
the run. `sample_check` does the same for samples. `generator/maker.py` handles what the code
*raises* over a record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import BadRecord, DataError, PushFitError, TaskError, raised, trouble
from pushfit.tasks.base import (
    TEST,
    TRAIN,
    VAL,
    ArraySpec,
    BlockTask,
    DataSet,
    Record,
    RecordTable,
    Task,
    has_partners,
)
from pushfit.tasks.facts import Fact, FactsUnknown, complaint, plain
from pushfit.tasks.trimming import Trimming

NO_CLASSES = ("all",)  # those of a data set without classes
LABEL = "label"  # the array that holds the class, for a model that tells classes
MOST_ARRAYS = 64  # the limit of the wire protocol
LONGEST = 200  # most characters of an array's name in the wire protocol
LONGEST_PATH = 4096  # most characters of the name of a class or a record in the wire protocol
KINDS = "biuf"  # kinds of dtypes that are allowed: truth values, whole numbers, numbers
TRIES = 5  # records that are tried before a split counts as unreadable
PARTS = ("x", "y", "sample_weight")
ROWS = 2  # samples in the batch that `to_fit` is tried with
_RAISED = (Exception, SystemExit)


def declaration(task: Task) -> None:
    """Raise TaskError if arrays() or to_fit() return something that cannot be used.

    A method that asks for facts of the data before they are known is checked by a later call.
    """
    with suppress(FactsUnknown):
        _declaration(task)


def known_arrays(task: Task) -> tuple[ArraySpec, ...] | None:
    """`task.arrays()`; None: that asks for facts which are not known yet. Raises TaskError."""
    try:
        return arrays(task)
    except FactsUnknown:
        return None


def arrays(task: Task) -> tuple[ArraySpec, ...]:
    """What arrays() returns. Raises TaskError if that, or what `trimmed` says, cannot be used."""
    specs: Any = called(task, "arrays")
    if not isinstance(specs, tuple) or not specs or len(specs) > MOST_ARRAYS:
        raise _wrong(task, f"arrays() returned {kind(specs)}, not a tuple of ArraySpec")
    for spec in specs:
        if complaint := _spec_complaint(spec):
            raise _wrong(task, f"arrays() returned {spec!r}: {complaint}")
    names = [spec.name for spec in specs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(task, f"arrays() names {twice!r} twice")
    found: tuple[ArraySpec, ...] = specs
    Trimming(task, found)  # it raises TaskError
    return found


def _declaration(task: Task) -> None:
    specs = arrays(task)
    if isinstance(task, BlockTask) and has_partners(task):
        raise _wrong(task, "a BlockTask has no partners(): let block() look up further records")
    values: Any = task.values
    if not isinstance(values, tuple) or not all(isinstance(name, str) for name in values):
        raise _wrong(task, f"values is {values!r}, not a tuple of names")
    if len({task.submission[0], *values}) <= len(values):
        raise _wrong(task, f"values {values!r} and {task.submission[0]!r} name a column twice")
    whole = _tried(task, specs)
    _check_made(task, whole)
    if task.trimmed:
        short = _tried(task, specs, trim=True)
        _check_made(task, short)
        if _kinds(whole) != _kinds(short):
            raise _wrong(
                task,
                f"to_fit() returned {_in_words(whole)}, and for a trimmed batch "
                f"{_in_words(short)}: only the lengths may differ",
            )


def _check_made(task: Task, made: Any) -> None:
    """Raise TaskError if `made`, which to_fit() returned for ROWS samples, cannot be used."""
    if not isinstance(made, tuple) or len(made) not in (2, 3):
        raise _wrong(
            task,
            f"to_fit() returned {kind(made)}, not a pair (x, y), or (x, y, sample_weight)",
        )
    if made[1] is None and len(given(made)) == 3:
        raise _wrong(task, "to_fit() returned a sample_weight, and None as y, which it would weigh")
    for where, value in leaves_of(given(made)):
        if not isinstance(value, np.ndarray) or value.dtype.kind not in KINDS:
            raise _wrong(task, f"to_fit() returned {where} as {kind(value)}, not an array")
        if value.shape[:1] != (ROWS,):
            raise _wrong(
                task,
                f"to_fit() returned {where} as {kind(value)} for a batch of {ROWS} samples: "
                f"its shape must begin with {ROWS}",
            )


def shown(task: Task, specs: Iterable[ArraySpec]) -> str:
    """to_fit()'s result for ROWS samples in words: ``"x as uint8[2, 32], y as int32[2]"``."""
    return _in_words(_tried(task, specs))


def _in_words(made: tuple[Any, ...]) -> str:
    return ", ".join(f"{where} as {kind(value)}" for where, value in leaves_of(given(made)))


def _kinds(made: tuple[Any, ...]) -> list[tuple[str, np.dtype, int]]:
    return [(where, value.dtype, value.ndim) for where, value in leaves_of(given(made))]


def given(made: tuple[Any, ...]) -> tuple[Any, ...]:
    """What to_fit() returned without a y or a sample_weight that is None: (x,), (x, y) or three."""
    while len(made) > 1 and made[-1] is None:
        made = made[:-1]
    return made


def has_targets(task: Task) -> bool:
    """Return whether to_fit() gives a y that is not None."""
    return len(given(_tried(task, arrays(task)))) > 1


def leaves_of(made: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """(``x['click']``, array) of every array in what to_fit() returned, as Keras orders them."""
    for what, part in zip(PARTS, made, strict=False):
        yield from leaves(part, what)


def _tried(task: Task, specs: Iterable[ArraySpec], *, trim: bool = False) -> Any:
    specs = tuple(specs)
    blank = {spec.name: np.zeros((ROWS, *spec.shape), spec.dtype) for spec in specs}
    return called(task, "to_fit", Trimming(task, specs)(blank) if trim else blank)


def _spec_complaint(spec: Any) -> str:
    if not isinstance(spec, ArraySpec):
        return "it is not an ArraySpec"
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


def leaves(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        for key in sorted(part):
            yield from leaves(part[key], f"{where}[{key!r}]")
    elif isinstance(part, tuple | list):
        for number, value in enumerate(part):
            yield from leaves(value, f"{where}[{number}]")
    else:
        yield where, part


def scan(
    task: Task, links: Path, wanted: Collection[str] = (), given: Mapping[str, Fact] | None = None
) -> DataSet:
    """`task.scan_for(links, wanted)`, whose facts the task has from then on.

    given: facts that count instead of those of the scan, such as those of the run that predicts.
    Raises DataError, or TaskError if that is not a data set.
    """
    try:
        data = _scanned(task, links, wanted).compact()
    except OSError as error:
        raise DataError(trouble(error)) from error
    task.facts = {**data.facts, **(given or {})}
    return data


def _scanned(task: Task, links: Path, wanted: Collection[str]) -> DataSet:
    if not task.source:
        return task.scan_for(links, wanted)
    try:
        data: DataSet = called(task, "scan_test" if TEST in wanted else "scan", links)
    except TaskError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise DataError(str(error)) from error  # a trainer may be without the data
        raise
    if not isinstance(data, DataSet):
        raise _wrong(task, f"scan() returned {kind(data)}, not a DataSet")
    classes, splits = data.classes, data.splits
    if classes == ():
        classes, data = NO_CLASSES, msgspec.structs.replace(data, classes=NO_CLASSES)
    if not isinstance(classes, tuple) or not classes or not all(map(_is_name, classes)):
        raise _wrong(task, f"scan() returned the classes {classes!r}, not a tuple of names")
    if len(set(classes)) < len(classes):
        raise _wrong(task, "scan() returned two classes of the same name")
    if not _is_text(data.version):
        raise _wrong(task, f"scan() returned the version {data.version!r}, which is not text")
    if wrong := complaint(data.facts):
        raise _wrong(task, f"scan() returned a data set of which {wrong}")
    if not isinstance(splits, dict) or not set(splits) <= {TRAIN, VAL, TEST}:
        raise _wrong(task, f"scan() returned splits that are not {{{TRAIN!r}: …, {VAL!r}: …}}")
    for split, records in splits.items():
        if not isinstance(records, tuple | RecordTable):
            raise _wrong(
                task,
                f"scan() returned {split} as {kind(records)}, not a tuple of Record, nor a "
                "RecordTable",
            )
        _check_records(task, split, records, len(classes))
    try:
        data.visiting()
    except ValueError as error:
        raise _wrong(task, f"scan() returned {error}") from error
    return msgspec.structs.replace(data, facts=plain(data.facts)) if data.facts else data


def unread(
    data: DataSet, splits: Iterable[str], read: Callable[[str, int], BaseException | None]
) -> tuple[str, BaseException] | None:
    """(a path, why it cannot be read) if TRIES records, spread over a split, are unreadable.

    read: reads a record of a split, and returns what that raised. A BadRecord counts as read, since
        it judges the content; with any other exception the record could not be read.
    """
    for split in splits:
        records = data.splits.get(split, ())
        if failed := _unread(records, partial(read, split)):
            return failed
    return None


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, most, dtype=int)).tolist() if count else []


def _unread(
    records: Sequence[Record], read: Callable[[int], BaseException | None]
) -> tuple[str, BaseException] | None:
    first: tuple[str, BaseException] | None = None
    for number in spread(len(records), TRIES):
        error = read(number)
        if error is None or isinstance(error, BadRecord):
            return None
        first = first or (records[number].path, error)
        if isinstance(error, TimeoutError):
            break  # the other records would take as long
    return first


def _check_records(task: Task, split: str, records: Iterable[Any], classes: int) -> None:
    before: tuple[int, str] = (0, "")
    for number, record in enumerate(records):
        if not isinstance(record, Record) or not _is_name(record.path):
            raise _wrong(task, f"scan() returned as record {number} of {split}: {record!r}")
        if type(record.label) is not int or not 0 <= record.label < classes:
            raise _wrong(
                task,
                f"scan() gave {record.path} the label {record.label!r}: it must be an int from 0 "
                f"to {classes - 1}, the number of its class",
            )
        if type(record.size) is not int or record.size < 0:
            raise _wrong(
                task,
                f"scan() gave {record.path} the size {record.size!r}: it must be its number of "
                "bytes",
            )
        if (record.label, record.path) < before and split != TEST:  # TEST keeps its own order
            raise _wrong(
                task,
                f"scan() returned {record.path} after {before[1]}: sort the records of a split by "
                "(label, path), so that they have the same numbers on every host",
            )
        before = record.label, record.path


def _is_name(text: Any) -> bool:
    """Return whether `text` may name a class or a file: any text that a file system may give."""
    return bool(text) and _is_text(text)


def _is_text(text: Any) -> bool:
    if not isinstance(text, str) or len(text) > LONGEST_PATH:
        return False
    try:
        return "\0" not in text and text.encode() is not None
    except UnicodeEncodeError:  # it has bytes of a name that is not UTF-8
        return False


def limits(
    task: Task, classes: int, splits: Collection[str] = (TRAIN, VAL)
) -> dict[str, tuple[float, float]]:
    """{array: (least, most)}: the values that a trainer accepts in samples of `splits`.

    They are `task.limits`, those of arrays that hold lengths, and those of the label if the model
    tells `classes` apart. Test records are held to those of lengths alone, since their labels may
    be unknown.
    """
    specs = {spec.name: spec for spec in task.arrays()}
    found = {} if TEST in splits else dict(task.limits())
    for length, (_, side) in Trimming(task, specs.values()).longest().items():
        least, most = found.get(length, (0, side))
        found[length] = max(0, least), min(side, most)
    if TEST in splits:
        return found
    if taught_classes(task) and LABEL in specs and np.dtype(specs[LABEL].dtype).kind in "iu":
        found.setdefault(LABEL, (0, classes - 1))
    return found


def taught_classes(task: Task) -> bool:
    """Return whether the label is a class number: the task has no model or loss of its own."""
    # `loss` may be a property that needs Keras, so it is looked for, but not read.
    own_loss = inspect.getattr_static(task, "loss") is not None
    return type(task).build_model is Task.build_model and not own_loss


def kind(value: Any) -> str:
    """`value` in words: ``"float64[32, 32, 3]"``, ``"a list"``, ``"300"``."""
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype}{list(value.shape)}" if value.shape else str(value.dtype)
    if value is None or isinstance(value, int | float):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def called(task: Task, how: str, *arguments: Any) -> Any:
    """What the task's method `how` returns. Raises TaskError if that raises by mistake."""
    try:
        return getattr(task, how)(*arguments)
    except PushFitError:
        raise
    except _RAISED as error:
        file = getattr(getattr(task, how), "__func__", None)
        file = file.__code__.co_filename if file is not None else ""
        early = ""
        if isinstance(error, AttributeError) and how in ("arrays", "to_fit"):
            early = (
                ". It is called before scan(), and in a trainer without it: let scan() return what "
                "it needs to know of the data as `facts`, and use self.facts"
            )
        raise _wrong(task, f"{how}() raised {raised(error, file)}{early}") from error


def _wrong(task: Task, what: str) -> TaskError:
    return TaskError(f"task {task.name}: {what}")
