"""The stream of the split `test`: every record once, in order, with its samples side by side.

It is a `LiveStream` like the trainer's, with the same rules for order, exactly-once, memory and
faults. It has one epoch of one split, is not shuffled or mixed, and may begin at any batch. The
samples of a substitute are no answer for a bad record: `Unanswered` says which records those are.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pushfit.dispatch.bad_records import BadRecords, Limit
from pushfit.errors import ConfigError, DataError
from pushfit.feed.source import Reference
from pushfit.plan.batches import Start
from pushfit.plan.order import SplitOrder
from pushfit.predicting.ensemble import Group
from pushfit.settings.programs.predict import PredictSettings
from pushfit.settings.stream import FleetSettings, StreamSettings
from pushfit.streams.live import LiveStream
from pushfit.streams.purpose import Counts, Purpose, scanner, task_of
from pushfit.tasks.base import TEST, DataSet, Task
from pushfit.tasks.facts import known as known_facts
from pushfit.tasks.visiting import Visiting

log = logging.getLogger("pushfit.predict")


class Unanswered(dict[str, Mapping[str, Any]]):
    """{path of a record that is bad: its row of the quarantine}."""

    def note(self, row: Mapping[str, Any]) -> None:
        if "redrawn" in row:
            return  # the record itself could be used
        self[row["path"]] = row
        log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])


def stream_of(
    settings: PredictSettings,
    group: Group,
    unanswered: Unanswered,
    known: Reference | None = None,
    batch: int = 0,
    *,
    last: bool = True,
) -> LiveStream:
    """The batches of whole records that `group` is still to predict; the last one may be smaller.

    unanswered: hears of bad records.
    known: the data set of an earlier start or group.
    batch: how many of its batches are done.
    last: no other group follows, so that generators from elsewhere may go.
    """
    if not settings.data and settings.generators:
        raise ConfigError(
            "there are no records to predict: give --data with their folder, or --generators 0 "
            "and --bind if generators on other hosts have the records"
        )
    name = group.first.settings["task"]
    of_stream = StreamSettings(
        **{field: getattr(settings, field) for field in FleetSettings.__struct_fields__},
        task=name,
        links=str(Path(settings.data).absolute()) if settings.data else "",
        seed=settings.seed,
        epochs=1,
        batch_size=group.records * group.samples,
        mix_visits=0,
    )
    # A bad record never ends a prediction, since its row shows that it has no answer.
    limit = Limit.parse(settings.max_bad or "100%")
    try:
        task = task_of(of_stream, group.first.task.params)
        purpose = for_prediction(of_stream, task, group, known, batch, last=last)
        return LiveStream(of_stream, task, purpose, bad=BadRecords(unanswered.note, limit))
    except DataError as error:
        raise DataError(f"{error} ({group.first.path} is a run of the task {name})") from error


def for_prediction(
    settings: StreamSettings,
    task: Task,
    group: Group,
    known: Reference | None,
    batch: int,
    *,
    last: bool,
) -> Purpose:
    """A stream of the test records from `batch` on. known, last: as `stream_of` takes them."""
    look = scanner(settings, task, needs_data=True)

    def scan(splits: Collection[str]) -> DataSet | None:
        return look(splits) if settings.links else None

    def orders(counts: Counts, visiting: Visiting) -> dict[str, SplitOrder]:
        if not sum(counts.get(TEST, ())):
            raise DataError("there are no records to predict")
        return {TEST: SplitOrder(tuple(counts[TEST]), group.samples, shuffle=False)}

    return Purpose(
        {TEST: group.samples},
        orders,
        scan,
        start=lambda plan: Start(0, batch, batch * group.records),
        reference=known,
        facts=known_facts(group.first.task.facts),
        trains=True,  # a model takes the batches, so its steps may be the limit
        follow_up="" if last else "other samples of the same records are needed next",
    )


def paths(stream: LiveStream) -> list[str]:
    """The records' paths, where the data is on this host; else empty until it is known."""
    return [record.path for record in stream.data.splits[TEST]] if stream.data else []
