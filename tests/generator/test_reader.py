"""Reading ahead: what hangs costs its taker patience, and nobody else anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pushfit.generator.reader import SPARE_THREADS, Key, Reader, ReadFailed


class Disk:
    """Files that can be read at once, not at all, or only when `thaw` is set."""

    def __init__(self) -> None:
        self.thaw = threading.Event()
        self.asked: list[Key] = []

    def read(self, key: Key) -> bytes:
        self.asked.append(key)
        if key[0] == "frozen":
            self.thaw.wait()
        if key[0] == "torn":
            raise TimeoutError(110, "Connection timed out")
        return b"%d" % key[1]


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.thaw.set()


def nothing() -> None:
    return


def test_each_file_is_read_once_ahead_of_its_turn(disk: Disk) -> None:
    reader = Reader(disk.read)
    for number in range(5):
        reader.start(("a", number))
        reader.start(("a", number))
    assert [reader.take(("a", n), 9.0, nothing)[0] for n in range(5)] == [
        b"0",
        b"1",
        b"2",
        b"3",
        b"4",
    ]
    assert disk.asked == [("a", n) for n in range(5)]
    assert reader.take(("a", 0), 9.0, nothing)[0] == b"0"  # taken is taken: it is read again
    reader.close()


def test_a_hanging_read_is_given_up_and_the_next_ones_are_read(disk: Disk) -> None:
    reader = Reader(disk.read)
    pauses: list[int] = []
    with pytest.raises(ReadFailed, match=r"no answer for 0\.2 s"):
        reader.take(("frozen", 1), 0.2, lambda: pauses.append(1))
    assert pauses  # whoever waits can be told to end
    assert reader.take(("a", 1), 9.0, nothing)[0] == b"1"
    reader.close()


def test_when_all_threads_hang_patience_still_ends(disk: Disk) -> None:
    reader = Reader(disk.read)
    for number in range(SPARE_THREADS + 2):
        with pytest.raises(ReadFailed):
            reader.take(("frozen", number), 0.05, nothing)
    assert len(disk.asked) == 1 + SPARE_THREADS
    with pytest.raises(ReadFailed):
        reader.take(("a", 1), 0.05, nothing)
    disk.thaw.set()
    assert reader.take(("a", 2), 9.0, nothing)[0] == b"2"
    reader.close()


def test_several_threads_read_at_once_where_a_task_asks_for_them(disk: Disk) -> None:
    together = threading.Barrier(3, timeout=20.0)

    def read(key: Key) -> bytes:
        together.wait()
        return b"%d" % key[1]

    reader = Reader(read, threads=3)
    assert reader.ahead == 4
    for number in range(3):
        reader.start(("a", number))
    assert [reader.take(("a", number), 20.0, nothing)[0] for number in range(3)] == [
        b"0",
        b"1",
        b"2",
    ]
    reader.close()


def test_what_the_read_raises_is_told_from_a_wait_that_ends(disk: Disk) -> None:
    reader = Reader(disk.read)
    with pytest.raises(ReadFailed) as raised:
        reader.take(("torn", 1), 9.0, nothing)
    assert isinstance(raised.value.error, TimeoutError)
    assert raised.value.error.strerror == "Connection timed out"
    reader.close()


def test_what_nobody_will_take_is_forgotten(disk: Disk) -> None:
    reader = Reader(disk.read)
    reader.start(("a", 1))
    reader.start(("a", 2))
    reader.keep({("a", 2), ("a", 3)})
    assert reader.take(("a", 2), 9.0, nothing)[0] == b"2"
    assert reader._reads == {}
    reader.close()
