"""From a grant to arrays: the right samples, and what becomes of records that are bad."""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pushfit.errors import BadRecord, TaskError
from pushfit.generator.control import Control
from pushfit.generator.maker import Made, Maker
from pushfit.generator.trouble import GIVEN_UP, Away, Unmakeable, Unreadable
from pushfit.plan.order import patch_rng
from pushfit.tasks.base import Record
from pushfit.wire.protocol import Bad, Grant
from tests.support.fakes import NumberParams, NumberTask, write_numbers

PATCHES = {"train": 3, "val": 1}


class Over(Exception):
    pass


class End(Control):
    def pause(self) -> None:
        raise Over


def make(
    links: Path, records: list[int], bad: list[int] | None = None, split: str = "train"
) -> Made:
    task = NumberTask(NumberParams())
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        grant = Grant(0, 1, split, 2, 10, records, bad or [])
        return maker.make(grant, ahead=[], control=Control())


def test_every_sample_is_drawn_with_its_own_randomness(tmp_path: Path) -> None:
    made = make(write_numbers(tmp_path), [4, 7])
    image, label = made.arrays
    assert image.shape == (6, 4, 4) and label.tolist() == [0, 0, 0, 1, 1, 1]
    for row, (visit, record, number) in enumerate([(10, 4, 8)] * 3 + [(11, 7, 3)] * 3):
        rng = patch_rng(7, "train", 2, visit, record, row % 3)
        assert (image[row] == (number + rng.random((4, 4))).astype(np.float32)).all()
    assert made.bad == [] and made.stages.decode > 0


def test_versions_of_one_thing_share_their_randomness(tmp_path: Path) -> None:
    class Twins(NumberTask):
        def versions(self, split: str) -> int:
            return 2 if split == "train" else 1

    links = write_numbers(tmp_path)
    task = Twins(NumberParams())
    with Maker(task, task.scan(links), links, 7, {"train": 4, "val": 2}) as maker:
        train, val = (
            maker.make(Grant(0, 1, split, 2, 10, [0], []), ahead=[], control=Control()).arrays[0]
            for split in ("train", "val")
        )
    assert (train[0] == train[1]).all() and (train[2] == train[3]).all()
    assert (train[0] != train[2]).any() and (val[0] != val[1]).any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("bad", "it says so itself"),
        ("raise", r"IndexError: .* \(fakes.py:\d+ in sample\)"),
        ("none", "ValueError: invalid literal"),
    ],
)
def test_a_bad_record_is_named_and_replaced_by_the_next_of_its_class(
    tmp_path: Path, content: str, reason: str
) -> None:
    links = write_numbers(tmp_path)
    (links / "train/even/004.txt").write_text(content)  # record 2
    (links / "train/even/006.txt").write_text(content)  # record 3: the next is bad as well
    made = make(links, [2, 0])
    assert [(bad.visit, bad.record, bad.path) for bad in made.bad] == [
        (10, 2, "train/even/004.txt")
    ]
    assert re.search(reason, made.bad[0].reason)
    assert np.floor(made.arrays[0][:, 0, 0]).tolist() == [8, 8, 8, 0, 0, 0]
    assert made.arrays[1].tolist() == [0] * 6


def test_a_sample_that_the_task_does_not_declare_is_not_the_fault_of_its_record(
    tmp_path: Path,
) -> None:
    links = write_numbers(tmp_path)
    (links / "train/even/004.txt").write_text("wide")
    with pytest.raises(TaskError) as raised:
        make(links, [1, 2])
    assert str(raised.value) == (
        "task number: sample() of train/even/004.txt returned 'image' as float32[5, 5], not "
        "float32[4, 4]"
    )


def test_the_substitute_of_the_last_record_is_the_first_of_its_class(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    (links / "train/odd/011.txt").write_text("bad")
    assert np.floor(make(links, [11]).arrays[0][:, 0, 0]).tolist() == [1, 1, 1]


def test_a_class_without_one_good_record_cannot_be_made(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    for path in (links / "train/odd").iterdir():
        path.write_text("bad")
    with pytest.raises(Unmakeable, match=r"every record of class odd in train is bad.*says so"):
        make(links, [8])


def test_a_missing_file_is_unreadable_here_and_bad_once_given_up(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    task = NumberTask(NumberParams())
    data = task.scan(links)
    (links / "train/even/004.txt").unlink()
    with Maker(task, data, links, 7, PATCHES) as maker:
        with pytest.raises(Unreadable, match=r"004\.txt: No such file") as raised:
            maker.make(Grant(0, 1, "train", 2, 10, [2], []), [], Control())
        assert raised.value.record == 2
        made = maker.make(Grant(0, 2, "train", 2, 10, [2], [2]), [], Control())
    assert made.bad[0].reason == GIVEN_UP.text
    assert np.floor(made.arrays[0][:, 0, 0]).tolist() == [6, 6, 6]


def test_where_nothing_can_be_read_no_record_is_to_blame(tmp_path: Path) -> None:
    links, gone = write_numbers(tmp_path / "links"), tmp_path / "gone"
    task = NumberTask(NumberParams())
    grant = Grant(0, 1, "train", 2, 10, [4], [])
    control = Control()
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        links.rename(gone)
        with pytest.raises(Away, match=r"train/even/000[.]txt: No such file or directory"):
            maker.make(grant, ahead=[], control=control)
        gone.rename(links)
        maker.look(control, "train", "val")
        (links / "val").rename(gone)  # one of two mounts
        maker.look(control, "train")
        with pytest.raises(Away):
            maker.look(control, "train", "val")
        for number in (0, 8):  # some are gone, others can be read
            (links / f"train/even/{number:03}.txt").unlink()
        with pytest.raises(Unreadable, match=r"008[.]txt"):
            maker.make(grant, ahead=[], control=control)


def test_where_reading_hangs_no_record_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links, back = write_numbers(tmp_path), threading.Event()
    task = NumberTask(NumberParams())
    with Maker(task, task.scan(links), links, 7, PATCHES, patience=0.2) as maker:
        grant = Grant(0, 1, "train", 2, 10, [4], [])
        made = maker.make(grant, ahead=[], control=Control())
        monkeypatch.setattr(task, "read", lambda *_: back.wait(10.0) and b"8")
        with pytest.raises(Away, match=r"no answer for 0[.]2 s"):
            maker.make(grant, ahead=[], control=Control())
        with pytest.raises(Over):
            maker.look(End(), "train")
        back.set()
        again = maker.make(grant, ahead=[], control=Control())
    np.testing.assert_array_equal(made.arrays[0], again.arrays[0])


class Partners(NumberTask):
    """A sample looks up a second record, of which number 3 is bad."""

    def sample(
        self, item: str, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        if rng.integers(4) == 3:
            raise BadRecord("003, the partner, is broken")
        return super().sample(item, record, split, patch, rng)


def partners(links: Path, records: list[int]) -> Made:
    task = Partners(NumberParams())
    with Maker(task, task.scan(links), links, 7, {"train": 16, "val": 1}) as maker:
        return maker.make(Grant(0, 1, "train", 2, 10, records, []), [], Control())


def test_a_bad_partner_costs_no_record_and_every_visit_is_drawn_alike_whatever_came_before(
    tmp_path: Path,
) -> None:
    links = write_numbers(tmp_path)
    made = partners(links, [0, 1, 6, 1])
    assert np.floor(made.arrays[0][:, 0, 0]).tolist() == [0] * 16 + [2] * 16 + [1] * 16 + [2] * 16
    assert [(bad.visit, bad.instead) for bad in made.bad] == [(n, "") for n in (10, 11, 12, 13)]
    assert all(0 < bad.redrawn < 16 for bad in made.bad)
    task = Partners(NumberParams())
    with Maker(task, task.scan(links), links, 7, {"train": 16, "val": 1}) as maker:
        alone = maker.make(Grant(0, 1, "train", 2, 12, [6], []), [], Control())
    np.testing.assert_array_equal(alone.arrays[0], made.arrays[0][32:48])


class Storage(NumberTask):
    """Its `read` raises what it is told to, for record 4 of the even ones."""

    error: Exception

    def read(self, links: Path, record: Record) -> Any:
        if record.path == "train/even/004.txt":
            raise self.error
        return super().read(links, record)


def test_whatever_read_raises_is_no_verdict_on_the_record_unless_it_says_so(tmp_path: Path) -> None:
    links, task = write_numbers(tmp_path), Storage(NumberParams())
    grant = Grant(0, 1, "train", 2, 10, [2], [])
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        for error in (RuntimeError("503"), KeyError("x"), OSError("without a number")):
            task.error = error
            with pytest.raises(Unreadable, match=r"^train/even/004\.txt: ") as raised:
                maker.make(grant, [], Control())
            assert str(error) in str(raised.value)
        task.error = BadRecord("torn")
        assert maker.make(grant, [], Control()).bad[0].reason == "torn"


def test_what_the_pause_raises_passes_through(tmp_path: Path) -> None:
    task = NumberTask(NumberParams())
    links = write_numbers(tmp_path)
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker, pytest.raises(Over):
        maker.make(Grant(0, 1, "train", 0, 0, [0], []), [], End())


class Misbehaving(NumberTask):
    """Its `decode` raises what it is told to, for record 4 of the even ones."""

    error: BaseException

    def decode(self, data: bytes, record: Record) -> str:
        if record.path == "train/even/004.txt":
            raise self.error
        return super().decode(data, record)


def misbehave(links: Path, error: BaseException, control: Control | None = None) -> Made:
    task = Misbehaving(NumberParams())
    task.error = error
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        grant = Grant(0, 1, "train", 2, 10, [1, 2], [])
        return maker.make(grant, [], control or Control())


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError("8 GiB"), "train/even/004.txt: not enough memory here: 8 GiB"),
        (MemoryError(), "train/even/004.txt: not enough memory here"),
        (OSError(errno.ENOSPC, "No space left"), "train/even/004.txt: No space left"),
        (OSError(errno.EMFILE, "Too many open files"), "train/even/004.txt: Too many open files"),
    ],
)
def test_what_the_host_lacks_is_not_the_fault_of_the_record(
    tmp_path: Path, error: BaseException, what: str
) -> None:
    with pytest.raises(Unreadable) as raised:
        misbehave(write_numbers(tmp_path), error)
    assert (raised.value.record, str(raised.value)) == (2, what)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("image file is truncated"), "OSError: image file is truncated"),  # as Pillow does
        (SystemExit(1), "SystemExit: 1"),
        (Unprintable(), r"Unprintable: <exception str\(\) failed>"),
        (ValueError("a name of bytes: \udcff"), r"ValueError: a name of bytes: \?"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (ValueError("x" * 10**6), "ValueError: xxx"),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
def test_code_that_raises_makes_a_bad_record_with_its_traceback(
    tmp_path: Path, error: BaseException, reason: str
) -> None:
    (bad,) = misbehave(write_numbers(tmp_path), error).bad
    assert re.search(reason, bad.reason) and "\n" not in bad.reason
    assert type(error).__name__ in bad.traceback or "x" * 1000 in bad.traceback
    assert encode_bad(bad) == bad


def encode_bad(bad: Bad) -> Bad:
    """`bad` as it comes out at the other end of the wire."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(bad), type=Bad)


def test_each_record_is_told_before_it_is_touched_the_stand_ins_too(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    class Listen(Control):
        def begin(self, grant: Grant, record: int, path: str) -> None:
            told.append((record, path))

    misbehave(write_numbers(tmp_path), BadRecord("torn"), Listen())
    assert told == [
        (1, "train/even/002.txt"),
        (2, "train/even/004.txt"),
        (3, "train/even/006.txt"),
    ]
