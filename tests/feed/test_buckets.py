"""A visit as a batch: how docs/your-own-task.md makes batches of samples of similar lengths."""

from __future__ import annotations

from pushfit.plan.order import Plan, SplitOrder
from tests.support.made_leases import SAMPLE, Maker


def test_without_mixing_a_batch_of_the_samples_of_a_visit_is_that_visit() -> None:
    plan = Plan(7, 2, {"train": SplitOrder((9,), 4)}, SAMPLE, 0)
    batches = list(Maker(plan, batch=4).feed(4).all())
    assert [batch.arrays["id"][:, 1].tolist() for batch in batches] == [
        [n] * 4 for n in range(9)
    ] * 2
    assert all(batch.arrays["id"][:, 2].tolist() == [0, 1, 2, 3] for batch in batches)
    first, second = (plan.records(segment).tolist() for segment in plan.segments)
    assert sorted(first) == sorted(second) == list(range(9)) and first != second
