"""A sink that keeps nothing: it takes every batch as fast as it comes, and measures."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Mapping
from typing import Any

from lib.observe import console
from lib.observe.metrics import Recent
from lib.trainer.stream import Stream

log = logging.getLogger("pushfit.sink")


def drain(stream: Stream, live: console.Live) -> dict[str, float]:
    """Take all of `stream`. Returns seconds, CPU seconds of this process, and its peak memory."""
    feed = stream.feed
    recent = Recent(feed, lambda: stream.dispatcher.exchange.generators)
    started, cpu = time.monotonic(), time.process_time()
    try:
        for batch in feed.all():
            segment = batch.segment
            if batch.number == 0:
                label = f"{segment.split} epoch {segment.epoch + 1}"
                live.begin(label, segment.batches(feed.batch_size))
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


def note_bad(row: Mapping[str, Any]) -> None:
    """Name a bad record on the screen: a sink that keeps nothing has no quarantine list."""
    log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])
