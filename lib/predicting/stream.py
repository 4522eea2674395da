"""The stream of the split `test`: every record once, in order, `samples` of it side by side.

It is a `Stream` as the trainer's, so order, exactly-once, memory and faults are what they are
there; it has one epoch of one split, nothing is shuffled or mixed, and it may begin at any batch.
A record that is bad is not answered for by its substitute: `bad` says which those are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from cfg.base import PredictSettings
from cfg.stream import FleetSettings, StreamSettings
from lib.errors import ConfigError, DataError
from lib.plan.batches import Start
from lib.plan.order import Plan, SplitOrder
from lib.predicting.ensemble import Group
from lib.tasks.base import TEST, DataSet
from lib.trainer.feed import Batch
from lib.trainer.roster import Reference
from lib.trainer.stream import Stream

log = logging.getLogger("pushfit.predict")


class PredictStream(Stream):
    """known: the data set of an earlier start or group; batch: how many of its batches are done.

    last: no other group follows, so that generators from elsewhere may go.
    """

    def __init__(
        self,
        settings: PredictSettings,
        group: Group,
        known: Reference | None = None,
        batch: int = 0,
        *,
        last: bool = True,
    ) -> None:
        if not settings.data and settings.generators:
            raise ConfigError(
                "which records are to be predicted? Give --data with their folder; or "
                "--generators 0 and --bind, where generators on other hosts have it"
            )
        self._known, self._batch, self._last, self._group = known, batch, last, group
        self.bad: dict[str, Mapping[str, Any]] = {}  # path of a record → its row of the quarantine
        fleet = {name: getattr(settings, name) for name in FleetSettings.__struct_fields__}
        task = group.first.settings["task"]
        try:
            super().__init__(
                StreamSettings(
                    **fleet,
                    task=task,
                    links=str(Path(settings.data).absolute()) if settings.data else "",
                    seed=settings.seed,
                    epochs=1,
                    batch_size=group.records * group.samples,
                    mix_visits=0,
                ),
                group.first.task.params,
                needs_data=True,
                quarantine=self._note,
            )
        except DataError as error:
            raise DataError(f"{error} ({group.first.path} is a run of the task {task})") from error

    @property
    def _trains(self) -> bool:
        return True  # a model takes the batches: its steps are what may be the limit

    def _own_data(self, needed: bool) -> DataSet | None:
        return super()._own_data(needed) if self.settings.links else None

    def patches(self) -> dict[str, int]:
        return {TEST: self._group.samples}

    def _orders(self, counts: Mapping[str, list[int]]) -> dict[str, SplitOrder]:
        if not sum(counts.get(TEST, ())):
            raise DataError("there are no records to predict")
        return {TEST: SplitOrder(tuple(counts[TEST]), self._group.samples, shuffle=False)}

    def _start(self, plan: Plan) -> Start:
        return Start(0, self._batch, self._batch * self._group.records)

    def _reference(self) -> Reference | None:
        return self._known

    def _note(self, row: Mapping[str, Any]) -> None:
        self.bad[row["path"]] = row
        log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])

    def batches(self) -> Iterator[Batch]:
        """The batches still to come; of whole records, the last one maybe smaller."""
        return self.feed.batches(TEST)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and not self._last:
            self.close(done=False, reason="other samples of the same records are wanted next")
        else:
            super().__exit__(kind, error, trace)
