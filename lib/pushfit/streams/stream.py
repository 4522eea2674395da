"""A stream of batches, as `Fit`, sinks and reports use it, for every origin of samples.

Stream ─┬ LiveStream      from a fleet (`live`), for a purpose (`purpose`)
        └ StoredStream    from a folder of HDF5 files (`stored`)

The constructor checks all that can be checked without a socket. `with` opens the stream; the parts
that exist only while it is open are its `Flow`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from pushfit.feed.feed import Feed
from pushfit.feed.source import Reference, Source
from pushfit.observe import summary
from pushfit.observe.versions import versions
from pushfit.plan.shards import WHOLE
from pushfit.settings.stream import StreamSettings
from pushfit.streams.advising import Adviser
from pushfit.streams.flow import Flow
from pushfit.tasks.base import Task

log = logging.getLogger("pushfit.trainer")


class FleetReport(msgspec.Struct, frozen=True):
    """The entries of report.json about the fleet. A stream without a fleet has the defaults.

    generators: a row for each generator that worked.
    backups: counts of leases that were made twice so that nobody waits for a slow generator.
    faults: {name of a fault: how often it happened}.
    """

    generators: list[dict[str, Any]] = []
    backups: dict[str, int] = {}
    faults: dict[str, int] = {}


class Stream(ABC):
    """A stream, a context manager.

    `source`, `reference`, `classes`, `feed` and `adviser` can be used while it is open.

    run: the name of the run, which stays the same over restarts.
    shards: those of the stream that this trainer has.
    """

    def __init__(self, settings: StreamSettings, task: Task, run: str) -> None:
        self.settings, self.task, self.run = settings, task, run
        self.shards = WHOLE
        self._flow: Flow | None = None  # until the stream is open

    @abstractmethod
    def open(self) -> Flow:
        """Open all that the stream needs. If this raises, `close` is called."""

    @abstractmethod
    def close(self, *, done: bool, reason: str) -> None:
        """Close what was opened.

        done: the run is over. False: it may be resumed.
        reason: why it closes, for the fleet.
        """

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where the data is, or whose data it is, for messages."""

    @property
    def address(self) -> str:
        """Where generators connect to; ``""``: none can."""
        return ""

    def fleet(self) -> FleetReport:
        """What the generators have done so far."""
        return FleetReport()

    @property
    def given_up(self) -> list[tuple[str, int, str]]:
        """(split, record, why) of each record that every later grant substitutes."""
        return []

    def __enter__(self) -> Self:
        try:
            self._flow = self.open()
            for line in self._flow.found(self.origin):
                log.info("%s", line)
        except BaseException:
            self.close(done=False, reason="the trainer did not start")
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        done = kind is None
        self.close(done=done, reason="the run is over" if done else "the run was interrupted")

    @property
    def was_opened(self) -> bool:
        """Return whether the stream was opened. From then on there is something to report."""
        return self._flow is not None

    @property
    def flow(self) -> Flow:
        """The parts of the open stream. Raises RuntimeError if it was not opened."""
        if self._flow is None:
            raise RuntimeError("the stream is not open: enter it with `with` first")
        return self._flow

    @property
    def feed(self) -> Feed:
        return self.flow.feed

    @property
    def source(self) -> Source:
        return self.flow.source

    @property
    def reference(self) -> Reference:
        return self.flow.reference

    @property
    def adviser(self) -> Adviser:
        return self.flow.adviser

    @property
    def classes(self) -> tuple[str, ...]:
        return self.reference.classes

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """report.json, as docs/architecture.md describes it."""
        fleet, feed, ended = self.fleet(), self.feed, datetime.now(UTC)
        stages: dict[str, float] = {}
        for row in fleet.generators:
            for stage, seconds in row["stages_s"].items():
                stages[stage] = round(stages.get(stage, 0.0) + seconds, 3)
        return {
            "run": self.run,
            "seed": self.settings.seed,
            "task": self.task.name,
            "classes": list(self.classes),
            "data": summary.reported(
                self.reference.counts, self.reference.validation, self.reference.unused
            ),
            "started": _utc(self.flow.began),
            "ended_at": _utc(ended),
            "ended": "complete",
            "seconds": round((ended - self.flow.began).total_seconds(), 3),
            "versions": versions(),
            "splits": {
                split: [{**row, "epoch": row["epoch"] + 1} for row in rows]
                for split, rows in feed.audit().items()
            },
            **{name: round(figure, 4) for name, figure in feed.figures().items()},
            "stages_s": {
                **stages,
                "mix": round(feed.mixing, 3),
                "fit_waited": round(feed.waited, 3),
                "step": round(feed.step_times.busy, 3),
                "step_waited": round(feed.step_times.waited, 3),
            },
            **self.adviser.report(),
            "generators": fleet.generators,
            "backups": fleet.backups,
            "faults": fleet.faults,
            "metrics": dict(metrics),
        }


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
