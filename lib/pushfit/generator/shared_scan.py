"""One scan for all generator processes of a supervisor: the first makes it, the others map it.

    <shared folder>/<key>.lock     held by the process that scans
    <shared folder>/<key>.scan     the data set, as `_written` lays it out

A million records then cost a further process no memory of its own, and no second walk through the
folders. Whatever goes wrong with the file, each process can still scan for itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np

from pushfit import __version__
from pushfit.errors import TaskError
from pushfit.shared_folder import shared
from pushfit.tasks import visiting
from pushfit.tasks.base import DataSet, RecordTable, Task, Unused
from pushfit.tasks.facts import Facts, plain
from pushfit.tasks.visiting import GROUP, WEIGHT

POLL_SECONDS = 0.05
ALIGNED = 8
DTYPES = (np.uint8, np.uint64, np.int64, np.int32)  # those of `RecordTable.buffers`


class _Head(msgspec.Struct, frozen=True):
    """What a `DataSet` holds besides its records, and its fingerprint.

    run: the one for which it was scanned. tables: {split: bytes of each buffer}. visiting: bytes of
    the weights and of the groups, which lie behind the tables.
    """

    run: str
    fingerprint: str
    classes: tuple[str, ...]
    unused: tuple[Unused, ...]
    validation: str
    version: str
    facts: Facts
    tables: dict[str, tuple[int, int, int, int]]
    visiting: tuple[int, int]


def shares_scan(task: Task) -> bool:
    """Return whether `task.scan` keeps nothing in the process, as `Task.shared_scan` says.

    A class that overrides `scan` has to say so itself.
    """
    if not task.shared_scan:
        return False
    line = type(task).__mro__
    said = next(kind for kind in line if "shared_scan" in vars(kind))
    scans = next(kind for kind in line if "scan" in vars(kind))
    return issubclass(said, scans)


class Scan(NamedTuple):
    """A data set, and the run for which it was scanned."""

    run: str
    fingerprint: str
    data: DataSet

    def suits(self, run: str, fingerprint: str) -> bool:
        """Return whether another scan is not needed: the data may change between two runs.

        fingerprint: that of the run's data set; ``""``: it is not known.
        """
        return self.run == run or self.fingerprint == fingerprint


def scanned(
    task: Task,
    links: Path,
    about: object,
    scan: Callable[[], DataSet],
    *,
    run: str,
    fingerprint: str,
) -> Scan:
    """A scan for `run`: a new one, or that of another process of this supervisor.

    about: whatever else decides the data set, as MessagePack takes it.
    fingerprint: as for `Scan.suits`.
    """

    def made() -> Scan:
        data = _checked(task, scan) if folder else scan()
        return Scan(run, data.fingerprint(), data)

    folder = shared() if shares_scan(task) else None
    if folder is None:
        return made()
    key = msgspec.msgpack.encode((__version__, task.name, str(links.absolute()), about))
    path = folder / f"{hashlib.sha256(key).hexdigest()[:16]}.scan"
    with _locked(path.with_suffix(".lock")) as is_locked:
        if (known := _read(path)) is not None and known.suits(run, fingerprint):
            return known
        found = made()
        if is_locked and _write(path, found):
            return _read(path) or found
    return found


def _checked(task: Task, scan: Callable[[], DataSet]) -> DataSet:
    """`scan()`. Raises TaskError if it keeps something, which the other processes would lack."""
    before = dict(vars(task))
    data = scan()
    kept = [name for name, value in vars(task).items() if before.get(name, task) is not value]
    if kept := [name for name in kept if name != "facts"]:
        raise TaskError(
            f"task {task.name}: scan() has set self.{kept[0]}, which the processes that share its "
            "scan would lack: make that in setup(), or let the task say shared_scan = False"
        )
    return data


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Wait until no other process scans. Yields False where files cannot be locked."""
    try:
        lock = path.open("w")
    except OSError:
        yield False
        return
    with lock:
        yield _acquired(lock)


def _acquired(lock: IO[str]) -> bool:
    while True:  # not in one blocking call: a signal has to be obeyed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        except OSError:
            return False
        else:
            return True


def _write(path: Path, found: Scan) -> bool:
    """Write the file. Returns whether that could be done."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            for piece in _written(found):
                file.write(piece)
        temporary.replace(path)  # whoever uses an earlier one has mapped it
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True


def _written(found: Scan) -> Iterator[Any]:
    """The bytes of the file: the length of the head, the head, and the buffers; each is aligned."""
    data, how = found.data, found.data.visiting()
    tables = {split: RecordTable.of(each).buffers for split, each in data.splits.items()}
    head = msgspec.msgpack.encode(
        _Head(
            found.run,
            found.fingerprint,
            data.classes,
            data.unused,
            data.validation,
            data.version,
            dict(data.facts),
            {split: tuple(each.nbytes for each in table) for split, table in tables.items()},  # type: ignore[misc]
            (len(how.weights), len(how.groups)),
        )
    )
    yield len(head).to_bytes(ALIGNED, "little")
    buffers = (each for table in tables.values() for each in table)
    last = (np.frombuffer(each, np.uint8) for each in (how.weights, how.groups))
    for piece in (np.frombuffer(head, np.uint8), *map(np.asarray, buffers), *last):
        yield piece.data
        yield bytes(-piece.nbytes % ALIGNED)


def _read(path: Path) -> Scan | None:
    """The scan in the file, where its records stay; None: there is no such file."""
    try:
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    at = ALIGNED

    def taken(count: int) -> memoryview:
        nonlocal at
        piece = mapped[at : at + count]
        at += count + -count % ALIGNED
        return piece

    head = msgspec.msgpack.decode(taken(int.from_bytes(mapped[:ALIGNED], "little")), type=_Head)
    splits = {}
    for split, sizes in head.tables.items():
        paths, *numbers = map(taken, sizes)
        arrays = (np.frombuffer(n, d) for n, d in zip(numbers, DTYPES[1:], strict=True))
        splits[split] = RecordTable(paths, *arrays)
    weights = visiting.numbers(taken(head.visiting[0]), WEIGHT)
    groups = visiting.numbers(taken(head.visiting[1]), GROUP)
    about = head.unused, head.validation, head.version, plain(head.facts), weights, groups
    return Scan(head.run, head.fingerprint, DataSet(head.classes, splits, *about))
