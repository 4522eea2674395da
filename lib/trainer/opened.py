"""A stream that is open: what `Fit`, sinks and reports want of one, wherever its samples come from.

Opened ─┬ Stream          of a fleet (`stream`)
        └ StoredStream    of a folder of HDF5 files (`stored`)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from cfg.base import TrainSettings
from cfg.stream import StreamSettings
from lib.errors import ConfigError
from lib.observe.advisor import Load
from lib.plan.batches import Start, start
from lib.plan.order import Plan
from lib.tasks.base import Task
from lib.trainer.advising import Adviser
from lib.trainer.feed import Audited, Feed
from lib.trainer.roster import Reference
from lib.trainer.source import Source
from lib.trainer.state import State


class Opened(ABC):
    """Context manager. `source`, `reference`, `classes`, `feed` and `adviser` are there inside.

    run: the same over restarts; before: the run that is resumed, where one is.
    """

    settings: StreamSettings
    task: Task
    run: str
    before: State | None
    source: Source
    reference: Reference
    feed: Feed
    at_once = 0  # see `Feed`

    @property
    def classes(self) -> tuple[str, ...]:
        return self.reference.classes

    @property
    def given_up(self) -> list[tuple[str, int, str]]:
        """(split, record, why) of the records that every later grant substitutes."""
        return []

    @property
    def _trains(self) -> bool:
        """Whether a model takes the batches."""
        return isinstance(self.settings, TrainSettings)

    def _begin(self, source: Source, reference: Reference) -> None:
        """From now on the stream can be taken."""
        self.source, self.reference = source, reference
        self.feed = Feed(
            source,
            self.task.arrays(),
            self.settings.batch_size,
            hashed=self.settings.hash,
            before=self._audited(),
            at_once=self.at_once,
        )
        self.adviser = Adviser(self._load)

    def _audited(self) -> Audited | None:
        """The audit where the stream begins."""
        return self.before.audited if self.before else None

    def _start(self, plan: Plan) -> Start:
        """Where the stream begins. Raises ConfigError."""
        before = self.before
        if before is None:
            return Start()
        if before.step and self.settings.order == "arrival":
            raise ConfigError(
                f"the run stands within epoch {before.epoch + 1}, and with --order arrival only "
                "the start of an epoch is a place to go on from"
            )
        try:
            return start(plan, before.epoch, before.step, self.settings.batch_size)
        except ValueError as error:
            raise ConfigError(f"the checkpoint stands at a place that is not there: {error}") from (
                error
            )

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    def _load(self, now: float) -> Load:
        """What has been counted so far, for advice."""

    def _generators(self) -> list[dict[str, Any]]:
        """A row for each generator that worked."""
        return []

    def _faults(self) -> dict[str, int]:
        """How often what went wrong, by name."""
        return {}

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """report.json, as docs/architecture.md describes it."""
        rows, feed = self._generators(), self.feed
        stages: dict[str, float] = {}
        for row in rows:
            for stage, seconds in row["stages_s"].items():
                stages[stage] = round(stages.get(stage, 0.0) + seconds, 3)
        return {
            "run": self.run,
            "seed": self.settings.seed,
            "task": self.task.name,
            "classes": list(self.classes),
            "splits": feed.audit(),
            **{name: round(figure, 4) for name, figure in feed.figures().items()},
            "stages": {
                **stages,
                "mix": round(feed.mixing, 3),
                "fit_waited": round(feed.waited, 3),
                "step": round(feed.step_times.busy, 3),
                "step_waited": round(feed.step_times.waited, 3),
            },
            **self.adviser.report(),
            "generators": rows,
            "faults": self._faults(),
            "metrics": dict(metrics),
        }
