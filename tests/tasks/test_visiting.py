"""Weights and groups of a data set: what may be given, and that they are part of the data."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import TaskError
from pushfit.tasks import checks, visiting
from pushfit.tasks.base import DataSet, Record, Task
from tests.support.fakes import NumberParams, NumberTask

PLAIN = DataSet(("all",), {"train": tuple(Record(name) for name in "abc"), "val": (Record("d"),)})


def with_(**fields: Any) -> DataSet:
    return msgspec.structs.replace(PLAIN, **fields)


@given(st.lists(st.tuples(st.floats(0.5, 9, width=32), st.integers(0, 2**32 - 1)), min_size=1))
def test_numbers_survive_as_bytes(rows: list[tuple[float, int]]) -> None:
    weights, groups = [row[0] for row in rows], [row[1] for row in rows]
    found = visiting.of(weights, groups, len(rows))
    assert np.frombuffer(found.weights, "<f4").tolist() == weights
    assert np.frombuffer(found.groups, "<u4").tolist() == groups
    assert visiting.of(np.array(weights), np.array(groups), len(rows)) == found
    assert visiting.of_bytes(found.weights, found.groups, len(rows)) == found


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        ((1, 2), "2 weights for 3 training records"),
        ((1, -1, 1), "the weight -1 for training record 1: a weight must be a number from 0"),
        ((1, 1, float("nan")), "the weight nan for training record 2"),
        ((float("inf"), 1, 1), "the weight inf for training record 0"),
        ((1e39, 1, 1), r"the weight 1e\+39 for training record 0"),
        ((0, 0.0, 0), "weights that are all 0"),
        (("a", "b", "c"), "weights that are not a sequence of numbers"),
        ((1, None, 1), "weights that are not a sequence of numbers"),
        (([1], [1, 2], 3), "weights that are not a sequence of numbers"),
        ({"a": 1}, "weights that are not a sequence of numbers"),
        (np.ones((3, 1)), "weights that are not a sequence of numbers"),
        (1.0, "weights that are not a sequence of numbers"),
    ],
)
def test_weights_that_cannot_be_used(weights: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        visiting.of(weights, (), 3)


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ((1, 2, 3, 4), "4 groups for 3 training records"),
        ((1, -1, 1), "the group -1 for training record 1: a group must be a whole number from 0"),
        ((1, 1, 2**32), "the group 4294967296 for training record 2"),
        ((1, 1, 2**70), "groups that are not a sequence of whole numbers"),
        ((1.0, 1, 1), "groups that are not a sequence of whole numbers"),
        (("a", "b", "c"), "groups that are not a sequence of whole numbers"),
    ],
)
def test_groups_that_cannot_be_used(groups: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        visiting.of((), groups, 3)


def test_they_are_part_of_the_fingerprint_and_empty_ones_leave_it_as_it_was() -> None:
    assert with_(weights=[], groups=np.empty(0)).fingerprint() == PLAIN.fingerprint()
    others = [
        with_(weights=(1, 1, 1)), with_(weights=(1, 1, 2)), with_(groups=(1, 1, 2)),
        with_(weights=(1, 1, 2), groups=(1, 1, 2)),
    ]  # fmt: skip
    assert len({data.fingerprint() for data in (PLAIN, *others)}) == 5
    assert with_(weights=np.array([1, 1, 2])).fingerprint() == others[1].fingerprint()


def test_the_fingerprint_of_data_without_them_is_pinned() -> None:
    """A change here would keep every run and every stored stream from being resumed."""
    assert PLAIN.fingerprint()[:16] == "38c376435f8d25d9"


def test_a_scan_with_wrong_ones_is_an_error_of_the_task(tmp_path: Any) -> None:
    class Wrong(NumberTask):
        source = "of a user"
        given: Any = {}

        def scan(self, links: Any) -> DataSet:
            return with_(**self.given)

    task: Task = Wrong(NumberParams())
    for given_, what in (
        ({"weights": (1, 2)}, r"scan\(\) returned 2 weights for 3 training records: give one"),
        ({"groups": (1, 2, -3)}, r"scan\(\) returned the group -3 for training record 2"),
    ):
        Wrong.given = given_
        with pytest.raises(TaskError, match=what):
            checks.scan(task, tmp_path)
    Wrong.given = {"weights": np.array([0, 1, 2]), "groups": (4, 4, 5)}
    assert checks.scan(task, tmp_path).visiting().never == 1
