"""Facts of a data set: what they may be, and what happens before they are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pushfit.errors import TaskError
from pushfit.tasks import checks, facts
from pushfit.tasks.base import ArraySpec, DataSet
from tests.support.fakes import NumberParams, NumberTask, write_numbers


class Wide(NumberTask):
    """The side of its images is a fact, and `to_fit` tells classes by a number that is one."""

    source = "own"
    said: Any = {"side": 4, "classes": 2}

    def scan(self, links: Path) -> DataSet:
        return msgspec.structs.replace(super().scan(links), facts=self.said)

    def arrays(self) -> tuple[ArraySpec, ...]:
        side = self.facts["side"]
        return ArraySpec("image", "float32", (side, side)), ArraySpec("label", "int32", ())

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["image"], np.eye(self.facts["classes"])[batch["label"]]


def test_what_needs_facts_is_checked_once_they_are_known(tmp_path: Path) -> None:
    task, links = Wide(NumberParams()), write_numbers(tmp_path)
    checks.declaration(task)
    assert checks.known_arrays(task) is None
    checks.scan(task, links)
    assert task.facts == {"side": 4, "classes": 2}
    specs = checks.known_arrays(task)
    assert specs is not None and specs[0].shape == (4, 4)
    checks.declaration(task)
    task.facts = {"side": 0, "classes": 2}
    with pytest.raises(TaskError, match="its shape must be a tuple of whole numbers above 0"):
        checks.declaration(task)
    task.facts = {"side": 4}
    with pytest.raises(TaskError, match=r"to_fit\(\) raised KeyError: 'classes'"):
        checks.declaration(task)


def test_given_facts_count_instead_of_those_of_the_scan(tmp_path: Path) -> None:
    task = Wide(NumberParams())
    data = checks.scan(task, write_numbers(tmp_path), (), {"classes": 9, "more": "x"})
    assert task.facts == {"side": 4, "classes": 9, "more": "x"}
    assert data.facts == {"side": 4, "classes": 2}


@pytest.mark.parametrize(
    "access", [lambda f: f["a"], lambda f: f.get("a", 3), lambda f: "a" in f, len, dict, bool]
)
def test_facts_that_are_not_known_cannot_be_mistaken_for_none(access: Any) -> None:
    with pytest.raises(facts.FactsUnknown, match="not known before it was scanned"):
        access(facts.UNKNOWN)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([("a", 1)], "facts must be a dict"),
        ({"a": np.int64(3)}, "the fact 'a' is or holds a value of type int64"),
        ({"a": None}, "of type NoneType"),
        ({"a": {"b": 1}}, "of type dict"),
        ({"a": ((1, 2), 3)}, "of type tuple"),
        ({"a": 2**63}, "more than 64 bits"),
        ({"a": float("nan")}, "not finite"),
        ({"a": "\udcff"}, "not Unicode"),
        ({3: 1}, "the name of a fact must be text"),
        ({"a": "x" * 2**20}, "its facts take 1,048,"),
        ({str(n): n for n in range(1001)}, "1,001 facts, and 1,000 are allowed"),
    ],
)
def test_facts_that_cannot_travel_are_told(tmp_path: Path, said: Any, what: str) -> None:
    task = Wide(NumberParams())
    task.said = said
    with pytest.raises(
        TaskError, match=rf"task number: scan\(\) returned a data set of which .*{what}"
    ):
        checks.scan(task, write_numbers(tmp_path))


def test_facts_are_part_of_the_fingerprint_and_none_change_nothing() -> None:
    def fingerprint(**given: Any) -> str:
        return DataSet(("a",), {}, facts=given).fingerprint()

    assert DataSet(("a",), {}).fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(a=1), fingerprint(a=2), fingerprint(b=1)}) == 4
    assert fingerprint(a=1, b=(1, 2)) == fingerprint(b=(1, 2), a=1)


def test_lists_are_tuples_as_after_the_wire(tmp_path: Path) -> None:
    task = Wide(NumberParams())
    task.said = {"side": 4, "words": ["a", "b"]}
    data = checks.scan(task, write_numbers(tmp_path))
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(data.facts), type=facts.Facts)
    assert sent == data.facts == {"side": 4, "words": ("a", "b")}


def test_the_first_difference_is_told() -> None:
    assert facts.difference({"a": 1, "b": 2}, {"a": 1, "b": 2}) == ""
    assert facts.difference({"a": 1}, {"a": 2}) == "the fact 'a' is 1 there, 2 in this run"
    assert facts.difference({"a": 1}, {}) == "the fact 'a' is 1 there, missing in this run"
    assert "(1,002 characters)" in facts.difference({"a": "x" * 1000}, {})


def test_facts_that_are_not_known_are_none_where_somebody_says_so() -> None:
    assert facts.known(facts.UNKNOWN) == {} and facts.known({"a": 1}) == {"a": 1}
