"""The parts of a stream that exist only while it is open: feed, data set and adviser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pushfit.feed.audit import Audited
from pushfit.feed.crop import Crop
from pushfit.feed.feed import Feed
from pushfit.feed.source import Reference, Source
from pushfit.observe import summary
from pushfit.observe.advisor import Load
from pushfit.settings.stream import StreamSettings
from pushfit.streams.advising import Adviser
from pushfit.tasks.base import TRAIN, Task
from pushfit.tasks.trimming import Trimming


class Flow:
    """An open stream, whose batches come from `feed`.

    source: where deliveries come from.
    reference: the data set.
    look: the load of the feed so far, at a time in seconds, for advice.
    audited: the audit where the stream begins; None: the stream is new.
    at_once, crop: as `Feed` takes them.
    """

    def __init__(
        self,
        settings: StreamSettings,
        task: Task,
        source: Source,
        reference: Reference,
        look: Callable[[Feed, float], Load],
        *,
        audited: Audited | None = None,
        at_once: int = 0,
        crop: Crop | None = None,
    ) -> None:
        self.source, self.reference = source, reference
        self._batch_size = settings.batch_size
        specs = task.arrays()
        self.feed = feed = Feed(
            source,
            specs,
            source.plan.shards.batch(settings.batch_size),
            hashed=settings.hash,
            before=audited,
            at_once=at_once,
            crop=crop,
            trim=Trimming(task, specs) if task.trimmed else None,
        )
        self.adviser = Adviser(lambda now: look(feed, now))
        self.began = datetime.now(UTC)

    def found(self, origin: str) -> list[str]:
        """The lines about the data that are shown first. origin: where the data is."""
        reference, feed = self.reference, self.feed
        return summary.found(
            reference.counts,
            origin=origin,
            validation=reference.validation,
            unused=reference.unused,
            never=reference.visiting.never,
            steps={split: feed.steps(split) for split in reference.counts},
            dropped=feed.dropped(TRAIN) * feed.plan.shards.world,
            batch_size=self._batch_size,
            shards=self.feed.plan.shards,
        )
