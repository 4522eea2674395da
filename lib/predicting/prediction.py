"""One prediction: every group of runs over the test records, then the answers and the figures.

records ─▶ PredictStream ─▶ each run's model ─▶ Partial ─▶ combine ─▶ Forms
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cfg.base import PredictSettings
from lib import interrupts
from lib.errors import DataError, StreamClosed
from lib.observe import console
from lib.observe.metrics import Recent
from lib.predicting.combine import accuracy, combine, confusion
from lib.predicting.ensemble import Group, digest, probabilities
from lib.predicting.forms import Forms
from lib.predicting.partial import Bad, Partial
from lib.predicting.stream import PredictStream
from lib.tasks import identity
from lib.tasks.base import UNKNOWN
from lib.trainer.feed import Batch
from lib.trainer.runs import Run

GO_ON = ". The same command goes on from here."  # after what says that it ended


def origin(
    settings: PredictSettings, runs: Sequence[Run], groups: Sequence[Group]
) -> dict[str, str]:
    """All that decides what the runs say of a record, but for the records: {what: its value}."""
    return {
        "runs": ",".join(map(digest, runs)),
        "--samples": str(settings.samples),
        "--seed": str(settings.seed),
        "--batch-size": ",".join(str(group.records) for group in groups),
        "version of the tasks": identity.source_hash(),
    }


class Prediction:
    """Of all groups, with what a `Partial` has of it already."""

    def __init__(
        self, settings: PredictSettings, groups: Sequence[Group], partial: Partial
    ) -> None:
        self.settings, self.groups, self.partial = settings, groups, partial
        self.seconds = 0.0  # in which records came and were predicted, by this process
        self.records = 0  # predicted by it, once a group
        self._spent: dict[int, float] = {}  # number of a run → seconds in its model
        self._live = console.Live(style=settings.progress)

    def open(self, number: int) -> PredictStream:
        """The rest of group `number`'s stream. Raises ConfigError and DataError."""
        group, partial = self.groups[number], self.partial
        known = partial.head.reference() if partial.head else None
        batch = partial.done(number) // group.records
        last = all(partial.is_complete(later) for later in range(number + 1, len(self.groups)))
        return PredictStream(self.settings, group, known, batch, last=last)

    def predict(self, number: int, stream: PredictStream, models: Sequence[Any]) -> None:
        """Take all of a stream that was entered. models: of the group's runs."""
        group, partial, live, feed = self.groups[number], self.partial, self._live, stream.feed
        partial.begin(stream.reference)
        assert partial.head is not None
        self._paths = partial.head.paths
        recent = Recent(feed, lambda: stream.source.generators)
        label = "predict" if len(self.groups) == 1 else f"predict {number + 1}/{len(self.groups)}"
        if before := partial.done(number):
            live.say(f"Going on after {before:,} of {partial.records:,} records")
        live.begin(label, -(-partial.records // group.records))
        started = time.monotonic()
        try:
            for batch in stream.batches():
                self._take(number, stream, models, batch)
                stream.adviser.began()
                if news := stream.adviser.news():
                    live.say(news)
                if live.due():
                    live.update(batch.number + 1, console.fleet(recent()))
        finally:
            live.close()
            self.seconds += time.monotonic() - started
            self.records += partial.done(number) - before
        if not partial.is_complete(number):
            raise StreamClosed("the stream of test records ended before its time")

    def _take(
        self, number: int, stream: PredictStream, models: Sequence[Any], batch: Batch
    ) -> None:
        group, first = self.groups[number], self.partial.done(number)
        x, _ = group.first.task.to_fit(batch.arrays)
        said = []
        for place, run, model in zip(group.numbers, group.runs, models, strict=True):
            began = time.monotonic()
            with interrupts.whole(GO_ON):
                said.append(probabilities(run, model, x, group.samples))
            self._spent[place] = self._spent.get(place, 0.0) + time.monotonic() - began
        count = len(said[0])
        bad = [
            Bad(record, path, str(row["host"]), str(row["reason"]))
            for record, path in enumerate(self._paths[first : first + count], first)
            if (row := stream.bad.get(path))
        ]
        truth = np.full(count, UNKNOWN)
        labels = batch.arrays.get("label")
        if labels is not None and labels.ndim == 1:
            truth[:] = labels[:: group.samples]
        truth[[one.record - first for one in bad]] = UNKNOWN  # it would be the substitute's
        classes = len(group.first.classes)
        for one in np.flatnonzero(truth >= classes)[:1]:
            raise DataError(
                f"{self._paths[first + one]} has the label {truth[one]}, and the runs know "
                f"{classes} classes, 0 to {classes - 1}: is this the data of other runs?"
            )
        self.partial.add(number, said, truth, bad)

    def write(self, forms: Forms, runs: Sequence[Run]) -> dict[str, Any]:
        """Write the files of a prediction that is complete; returns the report."""
        settings, partial, head = self.settings, self.partial, self.partial.head
        assert head is not None
        said, bad = partial.probabilities(), sorted(partial.bad.values(), key=lambda b: b.record)
        labels, mean = combine(said, settings.combine, partial.bad)
        task, classes = runs[0].task, runs[0].classes
        proba = mean if settings.proba else None
        forms.write(task, classes, head.paths, labels, proba, bad)
        truth = partial.truth
        return {
            "records": len(labels),
            "accuracy": accuracy(labels, truth),
            "labelled": int((truth >= 0).sum()),
            "confusion": confusion(labels, truth, len(classes)),
            "classes": list(classes),
            "combine": settings.combine,
            "samples": settings.samples,
            "seconds": round(self.seconds, 3),
            "records_per_second": round(self.records / self.seconds, 1) if self.records else None,
            "bad": [{"path": one.path, "host": one.host, "reason": one.reason} for one in bad],
            "runs": [
                {
                    "run": str(run.path),
                    "model": run.settings.get("model"),
                    "accuracy": accuracy(combine(one[np.newaxis], "mean", partial.bad)[0], truth),
                    "seconds_in_model": round(self._spent.get(place, 0.0), 3),
                }
                for place, (run, one) in enumerate(zip(runs, said, strict=True))
            ],
        }

    def summary(self, report: dict[str, Any], forms: Forms) -> list[str]:
        """What to tell a person at the end."""
        count = len(report["runs"])
        lines = [f"{report['records']:,} records by {_count(count, 'run')}"]
        if self.records:
            lines[0] += f", {report['records_per_second']:,.0f} a second"
        if report["accuracy"] is not None:
            lines.append(f"Accuracy: {report['accuracy']:.2%}")
            if count > 1:
                each = [f"{run['accuracy']:.2%} {run['run']}" for run in report["runs"]]
                lines.append(f"Each run alone: {', '.join(each)}")
        if bad := len(report["bad"]):
            lines.append(
                f"{_count(bad, 'record')} could not be used and {'is' if bad == 1 else 'are'} "
                f"answered blindly, with {report['classes'][0]!r}: {forms.bad}"
            )
        return [*lines, f"Submission: {forms.out}"]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
