"""What an adapter reads, without processes: `Maker` stands in for a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from pushfit.adapters.reading import Reading
from pushfit.feed.feed import Feed
from pushfit.feed.passes import Ahead, Pass, Passes
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks.base import Task
from tests.support.made_leases import SAMPLE, SPECS, Maker

SIZE = 4  # samples in a batch
EPOCHS = 3
TRAIN, VAL = 10, 3  # batches in an epoch; the last ones have fewer samples
SPLITS = {
    "train": SplitOrder((9, 4), 3),
    "val": SplitOrder((5,), 2, shuffle=False, fresh=False),
}


class Fields:
    """A task of which an adapter needs no more than `to_fit`: x is a sample's ids, y one number."""

    name, source = "fields", None
    trimmed: Mapping[str, str] = {}
    trim_multiple = 1

    def to_fit(self, arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        return arrays["id"].astype("float32"), arrays["twice"].astype("float32")


FIELDS = cast(Task, Fields())


class Opened:
    """An open stream: its feed, the passes over it, and what an adapter is given.

    splits: what it has. start: `epoch` and `step` at which it begins.
    """

    def __init__(self, splits: Mapping[str, SplitOrder] = SPLITS, **start: int) -> None:
        plan = Plan(7, EPOCHS, splits, SAMPLE, 2)
        self.feed: Feed = Maker(plan, batch=SIZE, **start).feed(SIZE)
        self.passes = Passes(self.feed)
        self.reading = self.reading_at(None)

    def reading_at(self, epoch: int | None) -> Reading:
        """epoch: whose batches are read; None: those of the next pass."""

        def begin(split: str, by: str, ahead: Ahead) -> Pass:
            return self.passes.begin(split, by, ahead, epoch=epoch)

        return Reading(
            begin=begin,
            used=self.passes.used_batch,
            steps=self.feed.steps,
            left=self.passes.left,
            sizes=self.feed.batch_sizes,
            counted=lambda: self.passes.counted,
            arrays=SPECS,
        )


def whole() -> dict[str, list[list[list[int]]]]:
    """{split: the ids of each batch of all epochs}, in the order of the stream."""
    found: dict[str, list[list[list[int]]]] = {split: [] for split in SPLITS}
    for batch in Opened().feed.all():
        found[batch.segment.split].append(batch.arrays["id"].tolist())
    return found


def hashes() -> dict[str, list[str]]:
    """{split: the hash of each epoch}, as a loop that reads everything leaves it."""
    feed = Opened().feed
    list(feed.all())
    return {split: [row["stream_sha256"] for row in rows] for split, rows in feed.audit().items()}
