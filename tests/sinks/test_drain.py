"""The loop of every sink."""

from __future__ import annotations

import io
import tracemalloc
from types import SimpleNamespace
from typing import cast

from pushfit.feed.feed import Batch
from pushfit.observe import console
from pushfit.plan.order import Plan, SplitOrder
from pushfit.sinks.drain import drain
from pushfit.streams.stream import Stream
from tests.support.made_leases import SAMPLE, Maker

EPOCHS, RECORDS, PATCHES = 14, 50, 4


def test_a_long_run_keeps_a_row_for_an_epoch_and_nothing_for_a_batch() -> None:
    """A soak of ten minutes found the hash of each batch kept, for checkpoints that sinks lack."""
    maker = Maker(Plan(1, EPOCHS, {"train": SplitOrder((RECORDS,), PATCHES)}, SAMPLE, 0))
    feed = maker.feed(1)
    adviser = SimpleNamespace(began=lambda: None, news=lambda: "")
    source = SimpleNamespace(generators=1)
    stream = cast(Stream, SimpleNamespace(feed=feed, adviser=adviser, source=source))
    taken: list[int] = []

    def took(batch: Batch) -> None:
        if batch.number == 0:
            maker.visits.clear()
            taken.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        drain(stream, console.Live(io.StringIO(), style="lines"), took)
    finally:
        tracemalloc.stop()
    assert len(taken) == EPOCHS
    an_epoch = (taken[-1] - taken[4]) / (EPOCHS - 5)
    assert an_epoch < 10 * RECORDS * PATCHES  # bytes; a hash for each batch takes 73
    assert [row["missing"] for row in feed.audit()["train"]] == [0] * EPOCHS
