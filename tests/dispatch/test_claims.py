"""What a generator says of its lease is held to the lease, the data set and the task."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pushfit.dispatch.claims import Claims
from pushfit.errors import ProtocolError
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks.base import ArraySpec
from pushfit.wire import protocol as wire

LISTING = [f"train/{n}.jpg\t9" for n in range(6)] + ["val/0.jpg\t9"]
PLAN = Plan(7, 1, {"train": SplitOrder((6,), 2, shuffle=False)}, 4, 0)
LEASE = Lease(3, PLAN.segments[0], 2, 3, 24)
SPECS = (ArraySpec("label", "int32", ()), ArraySpec("free", "int32", ()))


def claims(*, partners: bool = False) -> Claims:
    counts = {"train": [6], "val": [1]}
    return Claims(PLAN, counts, LISTING, {"label": (0, 4)}, partners=partners)


def header(*bad: wire.Bad) -> wire.Data:
    return wire.Data(
        run="r", generator="g", lease=3, fence=1, first=2, count=3, arrays=SPECS,
        stages=wire.Stages(), bad=list(bad),
    )  # fmt: skip


def arrays(label: int = 0) -> list[np.ndarray]:
    return [np.full(6, label, np.int32), np.full(6, 10**9, np.int32)]


def test_what_is_true_passes() -> None:
    replaced = wire.Bad(2, 2, "train/2.jpg", "torn", instead="train/3.jpg")
    redrawn = wire.Bad(4, 4, "train/4.jpg", "partner", redrawn=2)
    claims().check(LEASE, header(replaced, redrawn), arrays(4))
    Claims(PLAN, {"train": [6]}, [], {}).check(LEASE, header(replaced), arrays(-5))
    other = wire.Bad(2, 0, "train/0.jpg", "torn", instead="train/1.jpg", partner=True)
    claims(partners=True).check(LEASE, header(replaced, other), arrays())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([wire.Bad(5, 5, "train/5.jpg", "")], "a bad visit that it does not have"),
        ([wire.Bad(2, 2, "train/2.jpg", "")] * 2, "names a bad visit twice"),
        ([wire.Bad(2, 3, "train/3.jpg", "")], "visit 2 is to another record"),
        ([wire.Bad(2, 2, "train/3.jpg", "")], "record 2 of train is train/2.jpg, not train/3"),
        ([wire.Bad(2, 2, "train/2.jpg", "", redrawn=3)], "a visit has 2 samples"),
    ],
)
def test_bad_records_that_the_lease_does_not_have(bad: list[wire.Bad], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        claims().check(LEASE, header(*bad), arrays())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (wire.Bad(2, 6, "val/0.jpg", "", partner=True), "names a partner that no visit can have"),
        (wire.Bad(2, 1, "train/1.jpg", "", redrawn=1, partner=True), "names a partner that no"),
        (wire.Bad(2, 1, "train/2.jpg", "", partner=True), "record 1 of train is train/1.jpg"),
        (wire.Bad(5, 1, "train/1.jpg", "", partner=True), "a bad visit that it does not have"),
    ],
)
def test_bad_partners_that_no_visit_can_have(bad: wire.Bad, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        claims(partners=True).check(LEASE, header(bad), arrays())
    with pytest.raises(ProtocolError, match=r"partner|does not have"):
        claims().check(LEASE, header(bad), arrays())


@pytest.mark.parametrize("label", [-1, 5, 2**31 - 1])
def test_a_label_that_is_no_class(label: int) -> None:
    with pytest.raises(ProtocolError, match=r"values of 'label' from .* this task has 0 to 4"):
        claims().check(LEASE, header(), arrays(label))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 4.5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_number_that_is_none_or_has_no_end(dtype: str, value: float) -> None:
    """In a float16 the limit of a million is infinite itself."""
    specs = (ArraySpec("x", dtype, ()),)
    head = msgspec.structs.replace(header(), arrays=specs)
    claims = Claims(PLAN, {"train": [6]}, LISTING, {"x": (-1e6, 4.0 if value == 4.5 else 1e6)})
    good, bad = np.zeros(6, dtype), np.array([0, 0, value, 0, 0, 0], dtype)
    claims.check(LEASE, head, [good])
    with pytest.raises(ProtocolError, match="values of 'x' from"):
        claims.check(LEASE, head, [bad])


def test_a_bool_that_is_neither() -> None:
    head = msgspec.structs.replace(header(), arrays=(ArraySpec("mask", "bool", ()),))
    claims().check(LEASE, head, [np.array([0, 1, 1, 0, 1, 0], np.uint8).view(bool)])
    with pytest.raises(ProtocolError, match="'mask' has bytes that are not bools"):
        claims().check(LEASE, head, [np.array([0, 1, 2, 0, 1, 0], np.uint8).view(bool)])


def test_limits_are_for_the_test_records_as_well() -> None:
    plan = Plan(7, 1, {"test": SplitOrder((6,), 2, shuffle=False)}, 4, 0)
    lease = Lease(3, plan.segments[0], 2, 3, 24)
    held = Claims(plan, {"test": [6]}, [], {"label": (0, 4)})
    held.check(lease, header(), arrays(4))
    for length in (-1, 5):
        with pytest.raises(ProtocolError, match=r"values of 'label' from .* has 0 to 4"):
            held.check(lease, header(), arrays(length))
