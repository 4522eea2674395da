"""Passes over a stream: what a loop reads, passes over, reads again, and where it then stands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import StreamError
from pushfit.feed.feed import Batch, Feed
from pushfit.feed.passes import LOOK, Ahead, Passes
from pushfit.plan.order import Plan, SplitOrder
from tests.support.made_leases import SAMPLE, Maker

SIZE = 4
BOTH = {
    "train": SplitOrder((9, 4), 3),
    "val": SplitOrder((5,), 2, shuffle=False, fresh=False),
}


def plan_of(splits: dict[str, SplitOrder] | None = None) -> Plan:
    return Plan(7, 3, BOTH if splits is None else splits, SAMPLE, 2)


def made(plan: Plan | None = None, **start: int) -> tuple[Feed, Passes]:
    maker = Maker(plan or plan_of(), batch=SIZE, **start)
    feed = maker.feed(SIZE)
    return feed, Passes(feed)


def ids(batches: Iterator[Batch]) -> list[list[int]]:
    return [batch.arrays["id"].tolist() for batch in batches]


WHOLE = [batch.arrays["id"].tolist() for batch in Maker(plan_of()).feed(SIZE).all()]
TRAIN, VAL = 10, 3  # batches in an epoch


def test_all_passes_in_turn_are_the_stream() -> None:
    feed, passes = made()
    found = []
    for _ in range(3):
        found += ids(passes.begin("train", "a loop"))
        found += ids(passes.begin("val", "a loop"))
    assert found == WHOLE
    assert passes.epoch == passes.training_epoch == 3
    assert passes.position() == (2, "val", VAL)
    assert all(row["seen"] == row["expected"] for rows in feed.audit().values() for row in rows)


@given(st.lists(st.tuples(st.sampled_from(["train", "val"]), st.integers(0, 12)), max_size=8))
def test_what_is_read_is_in_the_streams_order_and_the_rest_counts_as_skipped(
    loops: list[tuple[str, int]],
) -> None:
    feed, passes = made()
    read = []
    for split, count in loops:
        try:
            one = passes.begin(split, "a loop")
        except StreamError as error:
            assert "the stream is over" in str(error)
            break
        for _, batch in zip(range(count), one, strict=False):
            read.append(batch.arrays["id"].tolist())
            assert passes.position() == (
                batch.segment.epoch,
                batch.segment.split,
                batch.number + 1,
            )
        one.close()
    places = [WHOLE.index(each) for each in read]
    assert places == sorted(set(places))
    rows = [row for rows in feed.audit().values() for row in rows]
    assert sum(row["seen"] for row in rows) == sum(len(each) for each in read)
    assert all(row["duplicate"] == 0 for row in rows)
    over = [row for row in rows if not row["missing"]]
    assert all(row["seen"] + row["skipped"] == row["expected"] for row in over)


def test_a_split_that_is_skipped_does_not_block() -> None:
    feed, passes = made()
    for epoch in range(3):
        assert len(ids(passes.begin("train", "a loop", epoch=epoch))) == TRAIN
        if epoch == 1:
            assert len(ids(passes.begin("val", "a loop", epoch=epoch))) == VAL
    first, second = feed.audit()["val"]
    assert (first["skipped"], first["seen"], first["missing"]) == (10, 0, 0)
    assert first["stream_sha256"] is None  # of nothing that was read
    assert (second["skipped"], second["seen"], second["missing"]) == (0, 10, 0)


def test_what_was_passed_does_not_come_back() -> None:
    _, passes = made()
    ids(passes.begin("val", "a loop", epoch=1))
    with pytest.raises(StreamError, match="train of epoch 2 was passed already: a stream goes f"):
        passes.begin("train", "a loop", epoch=1)
    with pytest.raises(StreamError, match="train of epoch 1 was passed already"):
        passes.begin("train", "a loop", epoch=0)


def test_an_explicit_epoch_continues_where_its_loop_was_left() -> None:
    _, passes = made()
    one = passes.begin("train", "a loop", epoch=0)
    begun = [next(one).arrays["id"].tolist() for _ in range(3)]
    assert begun + ids(passes.begin("train", "a loop", epoch=0)) == WHOLE[:TRAIN]


def test_a_loop_within_a_loop_is_refused() -> None:
    _, passes = made()
    one = passes.begin("train", "a loop")
    next(one)
    with pytest.raises(StreamError, match="val was asked for within the loop over train of epoch"):
        passes.begin("val", "a loop")
    with pytest.raises(StreamError, match="within the loop over train of epoch 1 by a loop: a str"):
        passes.begin("train", "PyTorch")
    one.close()
    assert len(ids(passes.begin("val", "PyTorch"))) == VAL


def test_a_loop_that_another_has_replaced_is_told() -> None:
    _, passes = made()
    one = passes.begin("train", "a loop")
    next(one)
    passes.begin("train", "a loop")
    with pytest.raises(StreamError, match="the loop over train of epoch 1 has ended, as another"):
        next(one)


def test_no_such_split() -> None:
    _, passes = made(plan_of({"train": BOTH["train"]}))
    with pytest.raises(StreamError, match="this stream has no split 'val': it has train"):
        passes.begin("val", "a loop")


def test_a_stream_of_one_split() -> None:
    _, passes = made(plan_of({"val": BOTH["val"]}))
    for epoch in range(3):
        assert passes.epoch == epoch
        assert len(ids(passes.begin("val", "a loop"))) == VAL
    with pytest.raises(StreamError, match="the stream is over, its 3 epochs of val have been rea"):
        passes.begin("val", "a loop")


# -- a framework that reads ahead -----------------------------------------------------------------


def test_a_look_at_the_first_batches_costs_none() -> None:
    """As Keras does to build a model: it begins a pass, drops it, and begins again."""
    for looks in range(1, LOOK + 1):
        _, passes = made()
        look = passes.begin("train", "Keras", Ahead.UNKNOWN)
        for _ in range(looks):
            next(look)
        assert passes.left("train") == TRAIN
        assert ids(passes.begin("train", "Keras", Ahead.UNKNOWN)) == WHOLE[:TRAIN]
        assert passes.left("train") == TRAIN
        assert ids(passes.begin("val", "Keras", Ahead.UNKNOWN)) == WHOLE[TRAIN : TRAIN + VAL]
        assert next(look, None) is None  # its thread may still be there


def test_nobody_knows_the_position_of_what_is_read_ahead() -> None:
    _, passes = made()
    one = passes.begin("train", "Keras", Ahead.UNKNOWN)
    next(one)
    with pytest.raises(StreamError, match="Keras reads ahead, so nobody knows which batches of tr"):
        passes.position()
    ids(one)
    assert passes.position() == (0, "train", TRAIN)  # between epochs it is known


@given(st.integers(1, TRAIN), st.integers(0, 3))
def test_what_was_read_ahead_and_not_used_comes_again(used: int, ahead: int) -> None:
    _, passes = made()
    passes.counted = True
    one = passes.begin("train", "Keras", Ahead.UNKNOWN)
    for _, _ in zip(range(used + ahead), one, strict=False):
        pass
    passes.used(0, "train", used)
    assert passes.position() == (0, "train", used)
    if used < TRAIN:
        assert passes.left("train") == TRAIN - used
        assert ids(passes.begin("train", "Keras", Ahead.UNKNOWN)) == WHOLE[used:TRAIN]
    else:
        assert passes.left("train") == TRAIN


def test_a_stream_that_resumes_within_an_epoch() -> None:
    _, passes = made(epoch=1, step=4)
    assert passes.position() == (1, "train", 4)
    assert passes.epoch == passes.training_epoch == 1
    assert passes.left("train") == TRAIN - 4
    rest = ids(passes.begin("train", "Keras", Ahead.UNKNOWN))
    assert rest == WHOLE[TRAIN + VAL + 4 : 2 * TRAIN + VAL]
    assert passes.left("train") == TRAIN


def test_a_stream_that_resumes_after_training() -> None:
    _, passes = made(epoch=1, step=TRAIN)
    assert passes.epoch == 1  # its validation is left
    assert passes.training_epoch == 2
    assert ids(passes.begin("train", "a loop", epoch=1)) == []  # used by an earlier process
    assert len(ids(passes.begin("val", "a loop", epoch=1))) == VAL


def test_a_batch_in_flight_is_not_used() -> None:
    _, passes = made()
    one = passes.begin("train", "JAX", Ahead.COUNTED)
    batches = [next(one) for _ in range(3)]
    assert passes.position() == (0, "train", 0)
    passes.used_batch(batches[0])
    assert passes.position() == (0, "train", 1)
    one.close()
    again = passes.begin("train", "JAX", Ahead.COUNTED, epoch=0)
    assert ids(again) == WHOLE[1:TRAIN]


def test_an_exception_while_a_batch_is_made_is_noted() -> None:
    feed, passes = made()
    feed._stream = raising()
    with pytest.raises(KeyboardInterrupt):
        next(passes.begin("train", "a loop"))
    assert passes.failed


def raising() -> Iterator[Batch]:
    raise KeyboardInterrupt
    yield Batch(plan_of().segments[0], 0, {"id": np.empty(0)})
