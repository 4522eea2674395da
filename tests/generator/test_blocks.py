"""A task that makes blocks: the same samples as one by one, and bad records found all the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import BadRecord, TaskError
from pushfit.generator import maker as making
from pushfit.generator.control import Control
from pushfit.generator.maker import Made, Maker
from pushfit.tasks.base import BlockTask, Draws, Record
from pushfit.wire.protocol import Grant
from tests.support.fakes import NumberParams, NumberTask, write_numbers

PATCHES = {"train": 3, "val": 1}


class NumberBlocks(NumberTask, BlockTask):
    """`NumberTask`, which can also make many samples at once; counts how often."""

    blocks, wrong = 0, ""
    bad: tuple[str, ...] = ()

    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        self.blocks += 1
        data = self.scan(links).splits[split]
        if any(data[number].path in self.bad for number in records):
            raise IndexError("one of them is bad")
        numbers = np.array([int((links / data[number].path).read_text()) for number in records])
        noise = draws(self.params.side**2).reshape(-1, self.params.side, self.params.side)
        made = {
            "image": (numbers[:, None, None] + noise).astype(np.float32),
            "label": np.array([data[number].label for number in records], np.int32),
        }
        if self.wrong:
            made[self.wrong] = made[self.wrong][:, ..., None]
        return made

    def decode(self, data: bytes, record: Record) -> str:
        if record.path in self.bad:
            raise BadRecord("it is on the list")
        return super().decode(data, record)


def make(task: NumberTask, links: Path, grant: Grant, control: Control | None = None) -> Made:
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        return maker.make(grant, [], control or Control())


def same(one: Made, other: Made) -> bool:
    return all((a == b).all() for a, b in zip(one.arrays, other.arrays, strict=True))


@pytest.mark.parametrize("block", [1, 4, 1024])
def test_blocks_are_what_is_made_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(making, "BLOCK", block)
    links, task = write_numbers(tmp_path), NumberBlocks(NumberParams())
    records = [4, 7, 0, 11, 4]
    whole = make(task, links, Grant(0, 1, "train", 2, 10, records, []))
    assert task.blocks == -(-15 // block)
    assert same(
        whole, make(NumberTask(NumberParams()), links, Grant(0, 1, "train", 2, 10, records, []))
    )
    for start, stop in ((0, 2), (2, 5)):  # however the leases are cut
        cut = make(task, links, Grant(0, 1, "train", 2, 10 + start, records[start:stop], []))
        for array, part in zip(whole.arrays, cut.arrays, strict=True):
            np.testing.assert_array_equal(array[3 * start : 3 * stop], part)
    assert whole.stages.transform > 0 and whole.bad == []


def test_a_bad_record_is_found_named_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links, task = write_numbers(tmp_path), NumberBlocks(NumberParams())
    task.bad = ("train/even/004.txt",)
    grant = Grant(5, 1, "train", 2, 10, [1, 2], [])
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        with caplog.at_level(logging.WARNING, "pushfit.generator"):
            made = maker.make(grant, [], Control())
        assert (
            "lease 5 is made visit by visit, as block() raised: IndexError('one of them is bad')"
            in caplog.text
        )
        assert [(bad.visit, bad.path, bad.reason) for bad in made.bad] == [
            (11, "train/even/004.txt", "it is on the list")
        ]
        assert np.floor(made.arrays[0][:, 0, 0]).tolist() == [2, 2, 2, 6, 6, 6]
        tried = task.blocks
        assert same(maker.make(grant, [], Control()), made)
        assert task.blocks == tried  # known to be bad: no block is tried
        maker.make(Grant(6, 1, "train", 2, 10, [0, 1], []), [], Control())
        assert task.blocks == tried + 1


@pytest.mark.parametrize("careful", [False, True])
def test_a_lease_with_a_suspect_is_made_visit_by_visit(tmp_path: Path, careful: bool) -> None:
    links, task = write_numbers(tmp_path), NumberBlocks(NumberParams())
    told: list[int] = []

    class Listen(Control):
        def begin(self, grant: Grant, record: int, path: str) -> None:
            told.append(record)

    bad = [] if careful else [2]
    made = make(task, links, Grant(0, 1, "train", 2, 10, [1, 2], bad, careful), Listen())
    assert task.blocks == 0
    assert told == ([1, 2] if careful else [1, 3])
    assert len(made.bad) == len(bad)


def test_a_block_is_named_by_its_first_record(tmp_path: Path) -> None:
    links, task = write_numbers(tmp_path), NumberBlocks(NumberParams())
    told: list[str] = []

    class Listen(Control):
        def begin(self, grant: Grant, record: int, path: str) -> None:
            told.append(path)

    make(task, links, Grant(0, 1, "train", 2, 10, [1, 2], []), Listen())
    make(task, links, Grant(0, 1, "train", 2, 10, [1], []), Listen())
    assert told == ["train/even/002.txt and 1 more in one block", "train/even/002.txt"]


@pytest.mark.parametrize("wrong", ["image", "label"])
def test_a_block_of_another_shape_ends_the_run(tmp_path: Path, wrong: str) -> None:
    links, task = write_numbers(tmp_path), NumberBlocks(NumberParams())
    task.wrong = wrong
    with pytest.raises(TaskError, match=rf"block\(\) of train/even/002.txt returned '{wrong}' as"):
        make(task, links, Grant(0, 1, "train", 2, 10, [1, 2], []))


def test_what_the_pause_raises_passes_through(tmp_path: Path) -> None:
    class Over(Exception):
        pass

    class End(Control):
        def pause(self) -> None:
            raise Over

    links = write_numbers(tmp_path)
    with pytest.raises(Over):
        make(NumberBlocks(NumberParams()), links, Grant(0, 1, "train", 0, 0, [0], []), End())
