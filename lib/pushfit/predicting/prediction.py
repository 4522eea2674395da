"""A prediction: every group of runs sees the test records, then answers and figures are written.

records ─▶ LiveStream ─▶ each run's model ─▶ Journal ─▶ combine ─▶ OutputFiles
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pushfit import interrupts
from pushfit.errors import DataError, StreamClosed
from pushfit.feed.feed import Batch
from pushfit.observe import console
from pushfit.observe.metrics import Recent
from pushfit.predicting import labelled
from pushfit.predicting.answers import answers, are_classes, check_numbers, columns
from pushfit.predicting.combine import combine
from pushfit.predicting.ensemble import Group, digest
from pushfit.predicting.equal_counts import equal_counts
from pushfit.predicting.figures import (
    accuracy,
    class_table,
    confusion,
    counts,
    distribution,
    ranges,
)
from pushfit.predicting.journal import Bad, Journal
from pushfit.predicting.output_files import OutputFiles, ids
from pushfit.predicting.stream import Unanswered, paths, stream_of
from pushfit.settings.programs.predict import PredictSettings
from pushfit.streams.live import LiveStream
from pushfit.tasks import compatibility
from pushfit.tasks.base import TEST, UNKNOWN
from pushfit.text import counted
from pushfit.training.trained_run import Run

GO_ON = ". The same command resumes from here."  # end of a message that the prediction ended


def origin(
    settings: PredictSettings, runs: Sequence[Run], groups: Sequence[Group]
) -> dict[str, str]:
    """All that decides the answers besides the records: {name: value}."""
    return {
        "runs": ",".join(map(digest, runs)),
        "--samples": str(settings.samples),
        "--grid": str(settings.grid),
        "--each-manipulation": str(settings.each_manipulation),
        "--seed": str(settings.seed),
        "--batch-size": ",".join(str(group.records) for group in groups),
        "version of the task": compatibility.source_of(runs[0].task),
    }


class Prediction:
    """The prediction of all groups. journal: it keeps the answers so far."""

    def __init__(
        self, settings: PredictSettings, groups: Sequence[Group], journal: Journal
    ) -> None:
        self.settings, self.groups, self.journal = settings, groups, journal
        self.seconds = 0.0  # time of this process for predicting, with waits for records
        self.records = 0  # records that this process predicted, summed over the groups
        self._spent: dict[int, float] = {}  # {number of a run: seconds in its model}
        self._unanswered = Unanswered()  # of the group that was opened last
        self._told = ""  # the distribution of the answers, once they are written
        self._live = console.Live(style=settings.progress)

    def open(self, number: int) -> LiveStream:
        """The rest of the stream for group `number`. Raises ConfigError and DataError."""
        group, journal = self.groups[number], self.journal
        first = group.first
        if not are_classes(first.task, first.classes, len(first.classes)):
            check_numbers(self.settings, first)
        known = journal.head.reference() if journal.head else None
        batch = journal.done(number) // group.records
        last = all(journal.is_complete(later) for later in range(number + 1, len(self.groups)))
        self._unanswered = Unanswered()
        stream = stream_of(self.settings, group, self._unanswered, known, batch, last=last)
        self._true_labels(paths(stream))
        return stream

    def _true_labels(self, paths: Sequence[str]) -> np.ndarray:
        """(records,) labels that the paths name; UNKNOWN without --labelled. Raises DataError."""
        if not self.settings.labelled:
            return np.full(len(paths), UNKNOWN)
        first = self.groups[0].first
        return labelled.labels(first.task, paths, first.classes)

    def predict(self, number: int, stream: LiveStream, models: Sequence[Any]) -> None:
        """Predict all batches of an entered stream. models: those of the group's runs."""
        group, journal, live, feed = self.groups[number], self.journal, self._live, stream.feed
        journal.begin(stream.reference)
        assert journal.head is not None
        self._paths = journal.head.paths
        self._true_labels(self._paths)  # the paths may have come with the first generator
        recent = Recent(feed, lambda: stream.source.generators)
        label = "predict" if len(self.groups) == 1 else f"predict {number + 1}/{len(self.groups)}"
        if before := journal.done(number):
            live.say(f"Resuming after {before:,} of {journal.records:,} records")
        live.begin(label, -(-journal.records // group.records))
        started = time.monotonic()
        try:
            for batch in feed.batches(TEST):
                self._take(number, models, batch)
                stream.adviser.began()
                if news := stream.adviser.news():
                    live.say(news)
                if live.due():
                    live.update(batch.number + 1, console.fleet(recent()))
        finally:
            live.close()
            self.seconds += time.monotonic() - started
            self.records += journal.done(number) - before
        if not journal.is_complete(number):
            raise StreamClosed("the stream of test records ended too early")

    def _take(self, number: int, models: Sequence[Any], batch: Batch) -> None:
        group, first = self.groups[number], self.journal.done(number)
        x = group.first.task.to_fit(batch.arrays)[0]
        said = []
        for place, run, model in zip(group.numbers, group.runs, models, strict=True):
            began = time.monotonic()
            with interrupts.whole(GO_ON):
                said.append(answers(run, model, x, group.samples))
            self._spent[place] = self._spent.get(place, 0.0) + time.monotonic() - began
        count = len(said[0])
        bad = [
            Bad(record, path, str(row["host"]), str(row["reason"]))
            for record, path in enumerate(self._paths[first : first + count], first)
            if (row := self._unanswered.get(path))
        ]
        truth = np.full(count, UNKNOWN)
        if not are_classes(group.first.task, group.first.classes, said[0].shape[1]):
            check_numbers(self.settings, group.first)
            self.journal.add(number, said, truth, bad)
            return
        labels = batch.arrays.get("label")
        if labels is not None and labels.ndim == 1:
            truth[:] = labels[:: group.samples]
        self._check_labelled(truth)
        truth[[one.record - first for one in bad]] = UNKNOWN  # it is the label of the substitute
        classes = len(group.first.classes)
        for one in np.flatnonzero(truth >= classes)[:1]:
            raise DataError(
                f"{self._paths[first + one]} has the label {truth[one]}, but the runs know "
                f"{classes} classes, 0 to {classes - 1}: give --data that belongs to these runs"
            )
        self.journal.add(number, said, truth, bad)

    def _check_labelled(self, truth: np.ndarray) -> None:
        """Raise DataError if --labelled is given and the first true labels are not known."""
        if not self.settings.labelled or (truth != UNKNOWN).any():
            return
        if (self._true_labels(self._paths[:1]) == UNKNOWN).all():
            raise DataError(
                f"--labelled: the true class of {self._paths[0]} is not known, as the data has no "
                "labels: put them beside the records, or predict without --labelled"
            )

    def write(self, output_files: OutputFiles, runs: Sequence[Run]) -> dict[str, Any]:
        """Write the files of a complete prediction, and return the report."""
        settings, journal, head = self.settings, self.journal, self.journal.head
        assert head is not None
        said, bad = journal.said(), sorted(journal.bad.values(), key=lambda b: b.record)
        task, classes, names = runs[0].task, runs[0].classes, ids(runs[0].task, head.paths)
        report = self._report(runs, bad)
        if not are_classes(task, classes, said.shape[2]):
            mean = said.mean(axis=0, dtype=np.float64)
            report["values"] = columns(task, said.shape[2])
            output_files.write_confusion(classes, None)
            output_files.write_numbers((task.submission[0], *report["values"]), names, mean, bad)
            seen = np.delete(mean, [one.record for one in bad], axis=0)
            self._told = ranges(seen, report["values"])
            return report
        labels, mean = combine(said, settings.combine, journal.bad)
        if settings.equal_counts:
            labels = equal_counts(mean)
        named = self._true_labels(head.paths)
        truth = np.where(named == UNKNOWN, journal.truth, named)
        truth[[one.record for one in bad]] = UNKNOWN
        confused = confusion(labels, truth, len(classes))
        output_files.write_confusion(classes, confused if settings.labelled else None)
        proba = mean if settings.proba else None
        output_files.write(task.submission, classes, names, labels, proba, bad)
        report |= {
            "accuracy": accuracy(labels, truth),
            "labelled": int((truth >= 0).sum()),
            "confusion": confused,
            "predictions": counts(labels, classes),
        }
        for run, one in zip(report["runs"], said, strict=True):
            alone, _ = combine(one[np.newaxis], "mean", journal.bad)
            run["accuracy"] = accuracy(alone, truth)
        self._told = distribution(report["predictions"])
        return report

    def _report(self, runs: Sequence[Run], bad: Sequence[Bad]) -> dict[str, Any]:
        """The part of the report that is the same for classes and for numbers."""
        settings = self.settings
        return {
            "records": self.journal.records,
            "accuracy": None,
            "labelled": 0,
            "confusion": None,
            "classes": list(runs[0].classes),
            "combine": settings.combine,
            "equal_counts": settings.equal_counts,
            "samples": settings.samples,
            "grid": settings.grid,
            "each_manipulation": settings.each_manipulation,
            "seconds": round(self.seconds, 3),
            "records_per_second": round(self.records / self.seconds, 1) if self.records else None,
            "bad": [{"path": one.path, "host": one.host, "reason": one.reason} for one in bad],
            "runs": [
                {
                    "run": str(run.path),
                    "model": run.settings.get("model"),
                    "accuracy": None,
                    "seconds_in_model": round(self._spent.get(place, 0.0), 3),
                }
                for place, run in enumerate(runs)
            ],
        }

    def summary(self, report: dict[str, Any], output_files: OutputFiles) -> list[str]:
        """The lines that are shown at the end."""
        count = len(report["runs"])
        lines = [f"{report['records']:,} records by {counted(count, 'run')}"]
        if self.records:
            lines[0] += f", {report['records_per_second']:,.0f} a second"
        if report["accuracy"] is not None:
            told = f" of {counted(report['labelled'], 'labelled record')}"
            lines.append(f"Accuracy: {report['accuracy']:.2%}{told * self.settings.labelled}")
            if count > 1:
                each = [f"{run['accuracy']:.2%} {run['run']}" for run in report["runs"]]
                lines.append(f"Each run alone: {', '.join(each)}")
        lines.append(self._told)
        if self.settings.labelled and report["confusion"]:
            lines.extend(class_table(report["confusion"], report["classes"]))
            lines.append(f"Confusion: {output_files.confusion}")
        if bad := len(report["bad"]):
            how = "answered blindly"
            if "values" in report:
                how = "left empty"
            elif not report["equal_counts"]:
                how += f", with {report['classes'][0]!r}"
            lines.append(
                f"{counted(bad, 'record')} could not be used and {'is' if bad == 1 else 'are'} "
                f"{how}: {output_files.bad}"
            )
        return [*lines, f"Submission: {output_files.out}"]
