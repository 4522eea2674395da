"""The loop of every sink: it takes each batch as soon as it comes, and measures."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from pushfit.feed.feed import Batch
from pushfit.observe import console
from pushfit.observe.metrics import Recent
from pushfit.streams.stream import Stream


def drain(
    stream: Stream, live: console.Live, took: Callable[[Batch], None] = lambda batch: None
) -> dict[str, float]:
    """Take all batches of `stream`.

    live: the line on the screen that shows the progress.
    took: called after each batch; its time does not count as waiting for the fleet.
    Returns `seconds`, `cpu_seconds` (of this process) and `peak_memory_mib`.
    """
    feed = stream.feed
    recent = Recent(feed, lambda: stream.source.generators)
    started, cpu = time.monotonic(), time.process_time()
    try:
        for batch in feed.all():
            segment = batch.segment
            if batch.number == 0:
                feed.pass_by(segment.index)
                label = f"{segment.split} epoch {segment.epoch + 1}"
                live.begin(label, segment.batches(feed.batch_size))
            took(batch)
            stream.adviser.began()
            if news := stream.adviser.news():
                live.say(news)
            if live.due():
                live.update(batch.number + 1, console.fleet(recent()))
    finally:
        live.close()
    return {
        "seconds": round(time.monotonic() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
