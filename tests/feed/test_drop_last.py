"""The last batch of a training epoch is left out where it is not whole, and the audit says so."""

from __future__ import annotations

import pytest

from pushfit.feed.passes import Passes
from pushfit.observe.audited import is_clean, with_training
from pushfit.plan.batches import batches, place
from pushfit.plan.order import Plan, SplitOrder
from pushfit.plan.shards import Shards
from tests.support.made_leases import SAMPLE, Maker

SIZE = 4
VAL = SplitOrder((5,), 2, shuffle=False, fresh=False)


def plan_of(drop_last: bool, patches: int = 3) -> Plan:
    """39 training samples with 3 patches: 9 whole batches, and 3 samples are left over."""
    train = SplitOrder((9, 4), patches, drop_last=drop_last)
    return Plan(7, 3, {"train": train, "val": VAL}, SAMPLE, 2)


def test_the_stream_is_the_same_but_for_the_smaller_batches() -> None:
    whole = [
        batch
        for batch in Maker(plan_of(False)).feed(SIZE).all()
        if batch.segment.split == "val" or len(batch.arrays["id"]) == SIZE
    ]
    maker = Maker(plan_of(True))
    feed = maker.feed(SIZE)
    found = list(feed.all())
    assert [batch.arrays["id"].tolist() for batch in found] == [
        batch.arrays["id"].tolist() for batch in whole
    ]
    assert (feed.steps("train"), feed.steps("val"), feed.dropped("train")) == (9, 3, 3)
    assert feed.batch_sizes("train") == [SIZE] and feed.batch_sizes("val") == [SIZE, 2]
    assert maker.leases.charged == 0  # what was left over holds no memory


def test_the_audit_counts_what_is_left_out_as_skipped_and_never_as_trained() -> None:
    feed = Maker(plan_of(True)).feed(SIZE)
    list(feed.all())
    for row in feed.audit()["train"]:
        assert (row["expected"], row["seen"], row["skipped"]) == (39, 36, 3)
        assert (row["missing"], row["duplicate"]) == (0, 0)
    for row in feed.audit()["val"]:
        assert (row["expected"], row["seen"], row["skipped"]) == (10, 10, 0)
    rows = {
        split: [{**row, "epoch": row["epoch"] + 1} for row in rows]
        for split, rows in feed.audit().items()
    }
    steps = {"train": 9, "val": 3}
    splits = with_training(rows, lambda split, epoch: steps[split], SIZE, stopped=False)
    assert [row["trained"] for row in splits["train"]] == [36] * 3
    assert [row["trained"] for row in splits["val"]] == [10] * 3
    assert is_clean({"splits": splits})
    # A step less in the last epoch is one that the model has left out.
    less = with_training(
        rows, lambda split, epoch: steps[split] - (epoch == 2), SIZE, stopped=False
    )
    assert less["train"][2]["trained"] == 32 and not is_clean({"splits": less})
    # Training that ends early after a whole epoch has not ended within it.
    ended = with_training(rows, lambda split, epoch: steps[split], SIZE, stopped=True)
    assert not any("stopped" in row for row in ended["train"])


@pytest.mark.parametrize("step", [0, 5, 9])
def test_a_run_that_continues_ends_with_the_same_audit(step: int) -> None:
    """After step 9 all batches of the epoch were used: its audit is complete in the checkpoint."""
    calm = Maker(plan_of(True)).feed(SIZE)
    list(calm.all())
    before = Maker(plan_of(True)).feed(SIZE)
    stream = before.all()
    for _ in range(9 + 3 + step):
        next(stream)
    known = before.audited(1, step)
    after = Maker(plan_of(True), 1, step, SIZE).feed(SIZE, known)
    list(after.all())
    assert after.audit() == calm.audit()


def test_the_position_after_the_last_whole_batch_is_that_of_validation() -> None:
    assert place(plan_of(True), 1, 9, SIZE) == (3, 0)
    with pytest.raises(ValueError, match="batch 10 of an epoch of 9"):
        place(plan_of(True), 1, 10, SIZE)


def test_a_loop_over_a_pass_ends_with_the_last_whole_batch() -> None:
    feed = Maker(plan_of(True), batch=SIZE).feed(SIZE)
    passes = Passes(feed)
    for epoch in range(3):
        assert len(list(passes.begin("train", "a loop"))) == 9
        assert passes.position() == (epoch, "train", 9)
    assert [row["skipped"] for row in feed.audit()["train"]] == [3] * 3
    assert [row["skipped"] for row in feed.audit()["val"]] == [10, 10]


def test_a_batch_that_is_larger_than_the_memory_budget_leaves_over_more_than_that() -> None:
    plan = Plan(7, 2, {"train": SplitOrder((150,), 2, drop_last=True)}, SAMPLE, 2)
    maker = Maker(plan)
    feed = maker.feed(160)
    assert [len(batch.arrays["id"]) for batch in feed.all()] == [160, 160]
    assert [row["skipped"] for row in feed.audit()["train"]] == [140, 140]
    assert maker.leases.charged == 0


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_have_as_many_whole_batches_each(world: int) -> None:
    train = SplitOrder((30, 9), 3, drop_last=True)  # 120 samples with those that pad
    for rank in range(world):
        shards = Shards(4, world, rank)
        plan = Plan(7, 1, {"train": train}, SAMPLE, 8, shards=shards, batch_size=16 // world)
        (segment,) = plan.segments
        rows = list(batches(plan, segment, 16 // world))
        assert [len(each) for each in rows] == [16 // world] * 7
        assert segment.batches(16 // world) == 7 and segment.dropped(16 // world) == 8 // world
