"""Batches are cut to their longest sample, by views; a rule that fits no arrays is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import TaskError
from pushfit.tasks import checks
from pushfit.tasks.base import TEST, ArraySpec, Task
from pushfit.tasks.sample_check import Samples
from pushfit.tasks.trimming import Trimming
from tests.support.fakes import NumberParams, NumberTask

SPECS = (
    ArraySpec("ids", "int32", (40,)),
    ArraySpec("boxes", "float32", (30, 4)),
    ArraySpec("length", "int32", ()),
    ArraySpec("share", "float32", ()),
)
BOTH = {"ids": "length", "boxes": "length"}


def trimming(trimmed: Any, multiple: Any = 1, specs: tuple[ArraySpec, ...] = SPECS) -> Trimming:
    task: Any = SimpleNamespace(name="texts", trimmed=trimmed, trim_multiple=multiple)
    return Trimming(task, specs)


def batch(lengths: list[int], dtype: str = "int32") -> dict[str, np.ndarray]:
    made = {s.name: np.zeros((len(lengths), *s.shape), s.dtype) for s in SPECS}
    return {**made, "length": np.array(lengths, dtype)}


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    multiple=st.integers(1, 100),
    dtype=st.sampled_from(["uint8", "int8", "int64", "uint64"]),
)
def test_a_batch_is_cut_to_its_longest_sample(
    lengths: list[int], multiple: int, dtype: str
) -> None:
    whole = batch(lengths, dtype)
    whole["ids"][:] = np.arange(40)
    cut = trimming(BOTH, multiple)(whole)
    assert list(cut) == list(whole)
    for name, side in (("ids", 40), ("boxes", 30)):
        got = cut[name].shape[1]
        assert cut[name].base is not None and np.shares_memory(cut[name], whole[name])
        assert (cut[name] == whole[name][:, :got]).all()
        assert max(lengths) <= got and 1 <= got <= side
        assert got == side or got % multiple == 0
        assert got - max(1, *lengths) < multiple  # no further multiple
        assert cut[name].shape[2:] == whole[name].shape[2:]
    assert cut["length"] is whole["length"] and cut["share"] is whole["share"]


@given(lengths=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4))
def test_no_length_of_a_damaged_file_cuts_beyond_what_is_declared(lengths: list[int]) -> None:
    cut = trimming(BOTH, 8)(batch(lengths))
    assert 8 <= cut["ids"].shape[1] <= 40 and 8 <= cut["boxes"].shape[1] <= 30


def test_shapes_say_which_axes_vary() -> None:
    ids, boxes, length, _ = SPECS
    made = trimming(BOTH, 16)
    assert [made.shape(spec) for spec in (ids, boxes, length)] == [(None,), (None, 4), ()]
    made = trimming(BOTH, 30)  # each batch has all 30 boxes
    assert [made.shape(spec) for spec in (ids, boxes)] == [(None,), (30, 4)]
    assert made.longest() == {"length": ("boxes", 30)}
    assert trimming({}).longest() == {} and trimming({}).shape(ids) == (40,)


@pytest.mark.parametrize(
    ("trimmed", "multiple", "says"),
    [
        ("ids", 1, "trimmed is 'ids', not {array: the array that holds its length}"),
        ({"tokens": "length"}, 1, "trimmed names 'tokens', and arrays() has ids, boxes, length"),
        ({"ids": "lengths"}, 1, "trimmed names 'lengths', did you mean 'length'?, and arrays()"),
        ({3: "length"}, 1, "trimmed names 3, and arrays() has ids"),
        ({"ids": ["length"]}, 1, "trimmed names ['length'], did you mean 'length'?, and arrays()"),
        ({"share": "length"}, 1, "names 'share', which is a single number and has no axis"),
        ({"ids": "share"}, 1, "'share' as the length of 'ids', and that is float32[]: declare Arr"),
        ({"ids": "boxes"}, 1, "and that is float32[30, 4]: declare ArraySpec('boxes', 'int32', ()"),
        ({"ids": "length"}, 0, "trim_multiple is 0: it must be a whole number of at least 1"),
        ({"ids": "length"}, 8.0, "trim_multiple is 8.0: it must be a whole number of at least 1"),
    ],
)
def test_a_rule_that_does_not_fit(trimmed: Any, multiple: Any, says: str) -> None:
    with pytest.raises(TaskError) as raised:
        trimming(trimmed, multiple)
    assert str(raised.value).startswith("task texts: trim")
    assert says in str(raised.value)


class Texts(NumberTask):
    source = "own"
    trimmed = BOTH
    trim_multiple = 8

    def arrays(self) -> tuple[ArraySpec, ...]:
        return SPECS

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return {"length": (3, 1000), "share": (0, 1)}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        return batch["ids"], batch["share"]


def texts(**methods: Any) -> Task:
    return type("Texts", (Texts,), methods)(NumberParams())  # type: ignore[no-any-return]


def test_the_declaration_is_tried_with_a_trimmed_batch() -> None:
    checks.declaration(texts())
    with pytest.raises(TaskError, match="task number: trimmed names 'id'"):
        checks.declaration(texts(trimmed={"id": "length"}))

    def needs_ten(self: Task, batch: Mapping[str, np.ndarray]) -> Any:
        return batch["ids"][:, 9], batch["share"]

    with pytest.raises(TaskError, match=r"to_fit\(\) raised IndexError"):
        checks.declaration(texts(to_fit=needs_ten))

    def by_length(self: Task, batch: Mapping[str, np.ndarray]) -> Any:
        ids = batch["ids"]
        return ids if ids.shape[1] == 40 else ids.astype("float32"), batch["share"]

    with pytest.raises(TaskError, match=r"int32\[2, 40\].*for a trimmed.* float32\[2, 8\].*: only"):
        checks.declaration(texts(to_fit=by_length))


@pytest.mark.parametrize("length", [-1, 31, np.int32(40), np.array(-5, np.int32)])
def test_a_sample_of_a_length_that_cannot_be_is_refused(length: Any) -> None:
    made = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in SPECS} | {"share": 1.0}
    samples = Samples(texts(), SPECS, 0)
    assert samples.check(made | {"length": 30}, "sample", "a.txt")[2] == 30
    with pytest.raises(TaskError) as raised:
        samples.check(made | {"length": length}, "sample", "a.txt")
    assert str(raised.value) == (
        f"task number: sample() of a.txt returned the 'length' {int(length)}: a length of 'boxes' "
        "is 0 to 30, so cut the sample, or declare a larger array"
    )


def test_a_block_is_held_to_lengths_as_a_whole() -> None:
    samples = Samples(texts(), SPECS, 0)
    samples.check(batch([0, 30, 5]), "block", "x", (3,))
    with pytest.raises(TaskError, match="returned the 'length' 31: a length of 'boxes' is"):
        samples.check(batch([0, 30, 31]), "block", "x", (3,))


def test_a_trainer_holds_lengths_of_every_split_to_what_is_declared() -> None:
    assert checks.limits(texts(), 2) == {"length": (3, 30), "share": (0, 1)}
    assert checks.limits(texts(), 2, (TEST,)) == {"length": (0, 30)}
    assert checks.limits(texts(limits=lambda _: {}), 2) == {"length": (0, 30)}
