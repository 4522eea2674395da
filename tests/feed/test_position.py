"""A stream from a position is the tail of the whole stream: batches, audit, hash and all."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pushfit.feed.audit import Audited
from pushfit.plan.batches import place, start
from pushfit.plan.order import Plan, SplitOrder
from tests.support.made_leases import SAMPLE, Maker


@st.composite
def plans(draw: Any) -> Plan:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple))
    splits = {"train": SplitOrder(counts, draw(st.integers(1, 5)), drop_last=draw(st.booleans()))}
    if draw(st.booleans()):
        splits["val"] = SplitOrder(counts, draw(st.integers(1, 2)), shuffle=False, fresh=False)
    return Plan(draw(st.integers(0, 99)), 3, splits, SAMPLE, draw(st.integers(0, 7)))


@given(st.data(), plans(), st.integers(1, 13))
def test_a_stream_from_a_position_is_the_tail_of_the_whole(
    data: st.DataObject, plan: Plan, size: int
) -> None:
    assume(plan.segments.epoch[0].batches(size))  # no stream begins without a whole batch
    whole = Maker(plan).feed(size)
    every = list(whole.all())
    epoch = data.draw(st.integers(0, 2), "epoch")
    step = data.draw(st.integers(0, whole.steps("train")), "step")
    index, batch = place(plan, epoch, step, size)
    trained = [b for b in every if (b.segment.index, b.number) < (index, batch)]

    # An earlier process trained so far, and had pulled some more.
    earlier = Maker(plan).feed(size)
    ahead = data.draw(st.integers(0, 5), "read ahead")
    assert len(list(islice(earlier.all(), len(trained) + ahead))) >= len(trained)
    audited = earlier.audited(epoch, step)
    assert earlier.audited(epoch, step) == audited
    audited = msgspec.msgpack.decode(msgspec.msgpack.encode(audited), type=Audited)

    maker = Maker(plan, epoch, step, size)
    feed = maker.feed(size, audited)
    rest = list(feed.all())
    assert len(rest) == len(every) - len(trained)
    for got, wanted in zip(rest, every[len(trained) :], strict=True):
        assert (got.segment, got.number) == (wanted.segment, wanted.number)
        for name in wanted.arrays:
            np.testing.assert_array_equal(got.arrays[name], wanted.arrays[name])
    assert feed.audit() == whole.audit()
    assert maker.leases.charged == 0  # every lease was handed back
    needed = {(b.segment.index, int(visit)) for b in rest for visit in b.arrays["id"][:, 1]}
    assert len(maker.visits) == len(set(maker.visits))
    segments = plan.segments.since(maker.start_at.segment)
    dropped = sum(segment.dropped(size) for segment in segments)
    assert len(set(maker.visits) - needed) <= plan.window + dropped

    # Nothing pulled yet: what would be saved now is what was there.
    assert Maker(plan, epoch, step, size).feed(size, audited).audited(epoch, step) == audited


def test_a_restart_after_the_last_visits_were_trained_before_earlier_ones() -> None:
    """Mixing may use a segment's last visit up before another: its lease is in no one's way."""
    found = 0
    for seed in range(40):
        plan = Plan(seed, 2, {"train": SplitOrder((9,), 4)}, SAMPLE, 6)
        whole = list(Maker(plan).feed(3).all())
        last = whole[11]
        before = {tuple(one) for b in whole[:11] for one in b.arrays["id"][:, 1:].tolist()}
        used_up = all((8, patch) in before for patch in range(4))
        found += used_up and last.segment.index == 0
        earlier = Maker(plan).feed(3)
        list(islice(earlier.all(), 11))
        maker = Maker(plan, 0, 11, 3)
        rest = list(maker.feed(3, earlier.audited(0, 11)).all())
        for got, wanted in zip(rest, whole[11:], strict=True):
            np.testing.assert_array_equal(got.arrays["id"], wanted.arrays["id"])
        assert maker.leases.charged == 0
    assert found  # the case is among them


def test_a_batch_may_be_larger_than_the_budget() -> None:
    plan = Plan(0, 1, {"train": SplitOrder((500,), 1)}, SAMPLE, 0)
    maker = Maker(plan)
    assert maker.leases.budget < 400 * SAMPLE
    assert [len(b.arrays["id"]) for b in maker.feed(400).all()] == [400, 100]


def test_the_hash_is_the_chain_that_is_documented() -> None:
    feed = Maker(Plan(1, 1, {"train": SplitOrder((5,), 3)}, SAMPLE, 2)).feed(4)
    chain = bytes(32)
    for batch in feed.all():
        content = batch.arrays["id"].tobytes() + batch.arrays["twice"].tobytes()
        chain = hashlib.sha256(chain + hashlib.sha256(content).digest()).digest()
    (row,) = feed.audit()["train"]
    assert row["stream_sha256"] == chain.hex()
    assert (row["bad"], row["missing"]) == (2, 0)  # visits 0 and 3


@pytest.mark.parametrize(("epoch", "step"), [(0, 5), (0, -1), (2, 1), (3, 0), (-1, 0)])
def test_places_that_are_not_there(epoch: int, step: int) -> None:
    plan = Plan(0, 2, {"train": SplitOrder((4,), 1)}, SAMPLE, 0)
    with pytest.raises(ValueError, match="of"):
        start(plan, epoch, step, 1)


def test_the_end_of_the_run_is_a_place() -> None:
    plan = Plan(0, 2, {"train": SplitOrder((4,), 1)}, SAMPLE, 0)
    assert place(plan, 2, 0, 1) == place(plan, 1, 4, 1) == (2, 0)
    assert list(Maker(plan, 2, 0).feed(1).all()) == []
