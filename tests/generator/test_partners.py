"""Samples of several records: which these are, when they are read, and what a bad one costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushfit.errors import BadRecord, TaskError
from pushfit.generator.control import Control
from pushfit.generator.maker import Made, Maker
from pushfit.generator.records import reading
from pushfit.generator.trial import trial
from pushfit.generator.trouble import GIVEN_UP, Unmakeable, Unreadable
from pushfit.plan.order import partner_rng
from pushfit.tasks import checks
from pushfit.tasks.base import ArraySpec, BlockTask, Decoded, Draws, Record, of_class
from pushfit.wire.protocol import Grant
from tests.support.fakes import NumberParams, NumberTask, write_numbers

PATCHES = {"train": 2, "val": 1}


class Pairs(NumberTask):
    """A sample is its record's number, that of a partner of the other class, and their labels."""

    def arrays(self) -> tuple[ArraySpec, ...]:
        return ArraySpec("image", "float32", (4,)), ArraySpec("label", "int32", ())

    def partners(
        self, number: int, records: Sequence[Record], split: str, rng: np.random.Generator
    ) -> Sequence[int]:
        return rng.choice(of_class(records, 1 - records[number].label), 1)

    def sample(
        self, item: Any, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        (own, first), (other, second) = item
        assert first is record
        if other == "raise":
            raise KeyError(other)
        values = int(own), int(other), second.label, rng.random()
        return {"image": np.array(values, np.float32), "label": first.label}


def make(
    links: Path, records: list[int], bad: Sequence[int] = (), task: NumberTask | None = None
) -> Made:
    task = task or Pairs(NumberParams())
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        grant = Grant(0, 1, "train", 2, 10, records, list(bad))
        return maker.make(grant, ahead=[], control=Control())


def chosen(visit: int, record: int) -> int:
    """The number in the file of the partner."""
    others = range(6, 12) if record < 6 else range(6)
    number = int(partner_rng(7, "train", 2, visit, record, record).choice(others, 1)[0])
    return 2 * (number - 6) + 1 if number >= 6 else 2 * number


def test_a_sample_gets_its_record_and_the_partner_that_the_visits_own_stream_names(
    tmp_path: Path,
) -> None:
    made = make(write_numbers(tmp_path), [0, 7, 3])
    numbers = made.arrays[0][:, :3].tolist()
    wanted = [(0, chosen(10, 0), 1), (3, chosen(11, 7), 0), (6, chosen(12, 3), 1)]
    assert numbers == [list(each) for each in wanted for _ in range(2)]
    assert made.bad == []


def test_a_bad_partner_is_replaced_by_the_next_of_its_class_and_told_by_its_own_name(
    tmp_path: Path,
) -> None:
    links = write_numbers(tmp_path)
    partner = chosen(10, 0)
    following = partner + 2 if partner < 11 else 1
    (links / f"train/odd/{partner:03}.txt").write_text("bad")
    made = make(links, [0])
    assert made.arrays[0][:, 1].tolist() == [following, following]
    (bad,) = made.bad
    number = 6 + partner // 2
    assert (bad.visit, bad.record, bad.partner) == (10, number, True)
    assert bad.reason == "it says so itself"
    assert bad.path == f"train/odd/{partner:03}.txt" and not bad.substituted
    assert bad.instead == f"train/odd/{following:03}.txt"


def test_what_a_generator_knew_before_does_not_change_the_samples(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    for number in (1, 5, 7):
        (links / f"train/odd/{number:03}.txt").write_text("bad")
    visits = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    task = Pairs(NumberParams())
    whole = make(links, visits)
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        for offset in reversed(range(len(visits))):
            grant = Grant(0, 1, "train", 2, 10 + offset, [visits[offset]], [])
            alone = maker.make(grant, [], Control()).arrays
            rows = slice(2 * offset, 2 * offset + 2)
            for one, other in zip(alone, whole.arrays, strict=True):
                np.testing.assert_array_equal(one, other[rows])
    told = [one.record for one in whole.bad if one.partner]
    assert told and len(told) == len(set(told))  # once a lease


def test_a_partner_that_was_given_up_is_not_touched(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    partner = chosen(10, 0)
    number, path = 6 + partner // 2, links / f"train/odd/{partner:03}.txt"
    task = Pairs(NumberParams())
    data = task.scan(links)
    path.unlink()
    with Maker(task, data, links, 7, PATCHES) as maker:
        with pytest.raises(Unreadable) as raised:
            maker.make(Grant(0, 1, "train", 2, 10, [0], []), [], Control())
        assert raised.value.record == number
        made = maker.make(Grant(0, 2, "train", 2, 10, [0], [number]), [], Control())
    assert [(one.record, one.reason) for one in made.bad] == [(number, GIVEN_UP.text)]


def test_where_no_partner_is_good_the_lease_cannot_be_made(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    for path in (links / "train/odd").iterdir():
        path.write_text("bad")
    with pytest.raises(Unmakeable, match=r"every record of class odd .* partner train/odd/\d+.txt"):
        make(links, [0])


def test_a_sample_that_a_partner_makes_fail_costs_no_record(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    partner = chosen(10, 0)
    (links / f"train/odd/{partner:03}.txt").write_text("raise")
    made = make(links, [0])
    (bad,) = made.bad
    assert bad.record == 0 and bad.instead and not bad.partner


def test_partners_are_read_ahead_and_each_is_announced(tmp_path: Path) -> None:
    links, told, started = write_numbers(tmp_path), list[int](), list[Any]()

    class Listen(Control):
        def begin(self, grant: Grant, record: int, path: str) -> None:
            told.append(record)

    task = Pairs(NumberParams())
    data = task.scan(links)
    reader = reading(task, data, links)
    start = reader.start
    reader.start = lambda key: (started.append(key), start(key))[1]  # type: ignore[method-assign]
    try:
        with Maker(task, data, links, 7, PATCHES, reader=reader) as maker:
            maker.make(Grant(0, 1, "train", 2, 10, [0, 1], []), [], Listen())
    finally:
        reader.close()
    first, second = (6 + chosen(10 + each, each) // 2 for each in range(2))
    assert told == [0, first, 0, 1, second, 1]
    assert started[:4] == [("train", each) for each in (0, first, 1, second)]


class Curriculum(Pairs):
    """The partner is record 6 + epoch, and a sample notes the epoch."""

    def partners(self, *_: Any) -> Sequence[int]:
        return [6 + self.epoch]

    def sample(
        self, item: Any, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        made = super().sample(item, record, split, patch, rng)
        made["image"][3] = self.epoch
        return made


def test_every_call_is_told_the_epoch_of_its_visit(tmp_path: Path) -> None:
    links, task = write_numbers(tmp_path), Curriculum(NumberParams())
    grants = [Grant(epoch, 1, "train", epoch, 0, [0, 1], []) for epoch in range(3)]
    with Maker(task, task.scan(links), links, 7, PATCHES) as maker:
        for epoch, grant in enumerate(grants):
            image = maker.make(grant, grants[epoch + 1 :], Control()).arrays[0]
            assert image[:, 3].tolist() == [epoch] * 4
            assert image[:, 1].tolist() == [2 * epoch + 1] * 4


class Wrong(Pairs):
    said: Any = ()

    def partners(self, *_: Any) -> Any:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([12], r"returned 12: the records of train are 0 to 11"),
        ([-1], r"returned -1"),
        (["a"], r"returned a list, not a list of numbers"),
        (None, r"returned None, not a list of numbers"),
    ],
)
def test_partners_that_are_no_records_are_an_error_of_the_task(
    tmp_path: Path, said: Any, what: str
) -> None:
    task = Wrong(NumberParams())
    task.said = said
    with pytest.raises(TaskError, match=rf"task number: partners\(\) of train/even/000.txt {what}"):
        make(write_numbers(tmp_path), [0], task=task)


def test_partners_that_cannot_be_named_cost_no_record(tmp_path: Path) -> None:
    task = Wrong(NumberParams())
    task.said = BadRecord("no neighbour")
    with pytest.raises(Unmakeable, match="no neighbour"):
        make(write_numbers(tmp_path), [0], task=task)


def test_the_trial_draws_with_partners(tmp_path: Path) -> None:
    links, task = write_numbers(tmp_path), Pairs(NumberParams())
    data, seen = task.scan(links), list[tuple[str, int]]()

    def read(split: str, number: int) -> Any:
        seen.append((split, number))
        return task.read(links, data.splits[split][number])

    trial(task, data, links, read)
    assert len(seen) == 8  # two splits, twice, a record and its partner


class Blocks(BlockTask, Pairs):
    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        return {}


def test_a_block_task_looks_up_what_it_needs_itself() -> None:
    with pytest.raises(TaskError, match=r"a BlockTask has no partners\(\)"):
        checks.declaration(Blocks(NumberParams()))


def test_of_class() -> None:
    records = [Record(str(n), 0, label) for n, label in enumerate([0, 0, 2, 2, 2])]
    assert [of_class(records, label) for label in range(4)] == [
        range(2),
        range(2, 2),
        range(2, 5),
        range(5, 5),
    ]
    assert Decoded(1, records[0]).record is records[0]
