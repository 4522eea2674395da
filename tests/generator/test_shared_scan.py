"""One process of a supervisor scans, and the others get the same data set from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import DataError, TaskError
from pushfit.generator import shared_scan
from pushfit.generator.shared_scan import Scan, scanned, shares_scan
from pushfit.shared_folder import VARIABLE
from pushfit.tasks.base import ArraySpec, DataSet, NoParams, Record, Task, Unused

DATA = DataSet(
    ("a", "b"),
    {"train": (Record("a/1", 7, 0), Record("b/é", 0, 1)), "val": ()},
    (Unused(3, "x", "a reason"),),
    "held out",
    "v1",
    {"columns": 3, "names": ("p", "q"), "empty": ()},
)


class Plain(Task):
    name = "plain"
    shared_scan = True

    def __init__(self) -> None:
        super().__init__(NoParams())

    def scan(self, links: Path) -> DataSet:
        return DATA

    def arrays(self) -> tuple[ArraySpec, ...]:
        return (ArraySpec("x", "uint8", ()),)

    def decode(self, data: bytes, record: Record) -> bytes:
        return data

    def sample(self, item: Any, record: Any, split: str, patch: int, rng: Any) -> dict[str, Any]:
        return {"x": 0}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        return batch["x"], batch["x"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def made(
    task: Task,
    links: Path,
    about: object,
    scan: Callable[[], DataSet],
    run: str = "run",
    fingerprint: str = "",
) -> DataSet:
    return scanned(task, links, about, scan, run=run, fingerprint=fingerprint).data


def never() -> DataSet:
    raise AssertionError("it scanned again")


@given(st.text(max_size=5), st.lists(st.integers(1, 9), max_size=30))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, version: str, sizes: list[int]
) -> None:
    records = tuple(Record("p" * size, size, 0) for size in sorted(sizes))
    data = DataSet(("one",), {"train": records, "val": records[1:]}, version=version)
    path = tmp_path_factory.getbasetemp() / "data.scan"
    chosen = msgspec.structs.replace(DATA, weights=(1.0, 0.5))
    grouped = msgspec.structs.replace(chosen, groups=np.array([3, 2**32 - 1]))
    for one in (data, DATA, chosen, grouped):
        scan = Scan("run", one.fingerprint(), one.compact())
        assert shared_scan._write(path, scan)
        found = shared_scan._read(path)
        assert found == scan
        assert found.data.fingerprint() == one.fingerprint()


def test_the_second_process_does_not_scan() -> None:
    first = made(Plain(), Path("links"), 1, lambda: DATA)
    second = made(Plain(), Path("links"), 1, never)
    assert first == second == DATA


@pytest.mark.parametrize(("links", "about"), [("others", 1), ("links", 2)])
def test_what_decides_the_data_set_has_its_own_scan(links: str, about: int) -> None:
    made(Plain(), Path("links"), 1, lambda: DATA)
    other = DataSet(("c",), {"train": (Record("c/1"),)})
    assert made(Plain(), Path(links), about, lambda: other) == other


def test_whoever_comes_during_the_scan_waits_for_it() -> None:
    begun, go = threading.Event(), threading.Event()
    found: list[DataSet] = []

    def slow() -> DataSet:
        begun.set()
        assert go.wait(60)
        return DATA

    first = threading.Thread(target=lambda: found.append(made(Plain(), Path(), 1, slow)))
    first.start()
    assert begun.wait(60)
    others = [
        threading.Thread(target=lambda: found.append(made(Plain(), Path(), 1, never)))
        for _ in range(3)
    ]
    for thread in others:
        thread.start()
    go.set()
    for thread in (first, *others):
        thread.join()
    assert found == [DATA] * 4


def test_after_a_scan_that_failed_the_next_process_scans() -> None:
    def broken() -> DataSet:
        raise DataError("no data")

    with pytest.raises(DataError, match="no data"):
        made(Plain(), Path(), 1, broken)
    assert made(Plain(), Path(), 1, lambda: DATA) == DATA


def test_only_a_task_that_says_so_shares_its_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scans(Plain):
        def scan(self, links: Path) -> DataSet:
            return DATA

    class SaysSo(Scans):
        shared_scan = True

    class SaysNo(Plain):
        shared_scan = False

    assert [shares_scan(kind()) for kind in (Plain, Scans, SaysSo, SaysNo)] == [
        *(True, False, True, False),
    ]
    made(Scans(), Path(), 1, lambda: DATA)
    with pytest.raises(AssertionError):
        made(Scans(), Path(), 1, never)
    monkeypatch.delenv(VARIABLE)
    made(Plain(), Path(), 1, lambda: DATA)
    with pytest.raises(AssertionError):
        made(Plain(), Path(), 1, never)


def test_a_scan_that_keeps_something_is_told() -> None:
    task = Plain()

    def keeps() -> DataSet:
        task.table = [1]  # type: ignore[attr-defined]
        task.facts = DATA.facts
        return DATA

    with pytest.raises(TaskError, match=r"task plain: scan\(\) has set self\.table, .*setup\(\)"):
        made(task, Path(), 1, keeps)


def test_without_room_each_process_scans(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(folder / "gone"))
    assert made(Plain(), Path(), 1, lambda: DATA) == DATA
    monkeypatch.setenv(VARIABLE, str(folder))

    def full(found: Scan) -> Any:
        yield b"some bytes"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_scan, "_written", full)
    assert made(Plain(), Path(), 1, lambda: DATA) == DATA
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_another_run_has_another_scan_unless_its_fingerprint_is_known_to_be_the_same() -> None:
    other = DataSet(("c",), {"train": (Record("c/1"),)})
    assert made(Plain(), Path(), 1, lambda: DATA, "one") == DATA
    assert made(Plain(), Path(), 1, never, "one", "not known here") == DATA
    assert made(Plain(), Path(), 1, never, "two", DATA.fingerprint()) == DATA
    assert made(Plain(), Path(), 1, lambda: other, "three") == other  # nobody knows what it has
    assert made(Plain(), Path(), 1, lambda: DATA, "four", DATA.fingerprint()) == DATA
    assert made(Plain(), Path(), 1, never, "four") == DATA
