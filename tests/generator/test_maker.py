"""From a grant to arrays: the right samples, and what becomes of records that are bad."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lib.generator.maker import GIVEN_UP, Control, Made, Maker, Unmakeable, Unreadable
from lib.plan.order import patch_rng
from lib.wire.protocol import Grant
from tests.fakes import NumberParams, NumberTask, write_numbers

PATCHES = {"train": 3, "val": 1}


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("bad", "it says so itself"),
        ("raise", r"IndexError: .* \(fakes.py:\d+ in sample\)"),
        ("wide", r"'image' as float32\[5, 5\], not float32\[4, 4\]"),
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


def test_what_the_pause_raises_passes_through(tmp_path: Path) -> None:
    class Over(Exception):
        pass

    class End(Control):
        def pause(self) -> None:
            raise Over

    task = NumberTask(NumberParams())
    links = write_numbers(tmp_path)
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker, pytest.raises(Over):
        maker.make(Grant(0, 1, "train", 0, 0, [0], []), [], End())
