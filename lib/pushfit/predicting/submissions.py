"""Combines files of answers: `predict.py --submissions a.csv,b.csv`.

A file has a header, then a row for each record, whose first column names the record. With one more
column it holds **labels**, as a submission does; with several it holds **probabilities**, a column
for each class, as `--proba` writes it. The order of rows and classes may differ between files.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pushfit import tasks
from pushfit.errors import ConfigError, DataError, trouble
from pushfit.predicting import table
from pushfit.predicting.combine import How, combine
from pushfit.predicting.equal_counts import equal_counts
from pushfit.predicting.figures import counts, distribution
from pushfit.predicting.output_files import OutputFiles
from pushfit.settings.programs.predict import PredictSettings
from pushfit.text import counted

SUM_TOLERANCE = 0.02  # largest difference between 1 and the sum of a record's probabilities


class Submission(msgspec.Struct, frozen=True):
    """A file of answers.

    columns: its header.
    ids: the id of each record.
    cells: for each record, the other columns as text.
    """

    path: Path
    columns: tuple[str, ...]
    ids: list[str]
    cells: list[list[str]]

    @property
    def has_labels(self) -> bool:
        return len(self.columns) == 2

    @property
    def classes(self) -> set[str]:
        return {row[0] for row in self.cells} if self.has_labels else set(self.columns[1:])


class Combined(msgspec.Struct, frozen=True):
    """The combined answers. columns: names of the columns of records and of labels."""

    columns: tuple[str, str]
    ids: list[str]
    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray


def read(path: Path) -> Submission:
    """The answers in a file. Raises DataError, which names the wrong row."""
    try:
        header, *rows = table.read(path) or [[]]
    except OSError as error:
        raise DataError(f"--submissions: {trouble(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"--submissions {path} is not a CSV file: {error}") from error
    if len(header) < 2 or not rows:
        raise DataError(
            f"--submissions {path} holds no answers: its first line must name the columns, e.g. "
            "'fname,camera', and a row for each record must follow"
        )
    seen = set[str]()
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(
                f"{path}, row {number}: {len(row)} columns, but the header has {len(header)}"
            )
        if row[0] in seen:
            raise DataError(f"{path}, row {number}: {row[0]!r} is also in an earlier row")
        seen.add(row[0])
    if twice := [name for name in header if header.count(name) > 1]:
        raise DataError(f"{path}: two columns are called {twice[0]!r}")
    return Submission(path, tuple(header), [row[0] for row in rows], [row[1:] for row in rows])


def merge(paths: Sequence[Path], how: How) -> Combined:
    """The combined answers of the files, with the order of records and classes of the first one.

    Raises ConfigError and DataError, which name the file that does not fit.
    """
    files = [read(path) for path in paths]
    if how != "majority":
        for file in files:
            if file.has_labels:
                raise DataError(f"{file.path} holds labels, not probabilities: {_instead(file)}")
    first = files[0]
    for file in files[1:]:
        _compare(first, file)
    classes, weights = first.columns[1:], None
    if any(file.has_labels for file in files):
        classes = tuple(sorted(set[str]().union(*(file.classes for file in files))))
        weights = [0.5**number for number in range(len(files))]  # the first file decides ties
    said = np.stack([_said(file, first.ids, classes, votes=weights is not None) for file in files])
    labels, probabilities = combine(said, how, weights=weights)
    return Combined(_columns(files), first.ids, classes, labels, probabilities)


def output_files(settings: PredictSettings) -> OutputFiles:
    """The files to write. Raises ConfigError and OutputError for invalid settings."""
    paths = [Path(path) for path in settings.submissions]
    if len(paths) < 2 and not settings.equal_counts:
        raise ConfigError(f"--submissions {paths[0]} is one file: name two or more to combine")
    for number, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:number]]:
            raise ConfigError(f"--submissions {path} is given twice: name each file once")
    out = Path(settings.out)
    made = OutputFiles(out, overwrite=settings.overwrite)
    for path in paths:
        if path.resolve() in {file.resolve() for file in (made.out, made.proba, made.bad)}:
            raise ConfigError(f"--out {out} would write over {path}: choose another --out")
    return made


def write(settings: PredictSettings, made: OutputFiles) -> dict[str, Any]:
    """Read, combine and write the answers, and return the report."""
    paths = [Path(path) for path in settings.submissions]
    said = merge(paths, settings.combine)
    proba = said.probabilities if settings.proba else None
    labels = equal_counts(said.probabilities) if settings.equal_counts else said.labels
    made.write(said.columns, said.classes, said.ids, labels, proba)
    return {
        "records": len(said.ids),
        "classes": list(said.classes),
        "predictions": counts(labels, said.classes),
        "combine": settings.combine,
        "equal_counts": settings.equal_counts,
        "submissions": list(settings.submissions),
    }


def summary(report: Mapping[str, Any], made: OutputFiles) -> list[str]:
    """The lines that are shown at the end."""
    files = counted(len(report["submissions"]), "file")
    lines = [f"{counted(report['records'], 'record')} of {files}, combined by {report['combine']}"]
    return [*lines, distribution(report["predictions"]), f"Submission: {made.out}"]


def _instead(file: Submission) -> str:
    beside = file.path.with_name(f"{file.path.stem}.proba.csv")
    if beside.is_file():
        return f"give {beside} instead; labels are combined by --combine majority"
    return "predict again with --proba for such a file; labels are combined by --combine majority"


def _compare(first: Submission, file: Submission) -> None:
    """Raise DataError if the files do not have the same records and classes."""
    if file.columns[0] != first.columns[0]:
        raise DataError(
            f"{first.path} and {file.path} do not fit together: the records are called "
            f"{first.columns[0]!r} in one and {file.columns[0]!r} in the other"
        )
    here, there = set(first.ids), set(file.ids)
    for missing, has, lacks in ((here - there, first, file), (there - here, file, first)):
        if missing:
            example = min(missing)
            raise DataError(
                f"{first.path} and {file.path} do not answer the same records: {len(missing):,} "
                f"of {has.path} are not in {lacks.path}, e.g. {example!r}"
            )
    if not (first.has_labels or file.has_labels) and first.classes != file.classes:
        only = [
            f"{', '.join(map(repr, sorted(one.classes - other.classes)))} only in {one.path}"
            for one, other in ((first, file), (file, first))
            if one.classes - other.classes
        ]
        raise DataError(
            f"{first.path} and {file.path} do not know the same classes: {'; '.join(only)}"
        )


def _said(
    file: Submission, ids: Sequence[str], classes: Sequence[str], *, votes: bool
) -> np.ndarray:
    """(records, classes) float64 in the order of `ids`.

    votes: give 1 to the most probable class and 0 to the others; False: probabilities.
    """
    rows = {name: row for row, name in enumerate(file.ids)}
    order = [rows[name] for name in ids]
    numbers = {name: number for number, name in enumerate(classes)}
    said = np.zeros((len(ids), len(classes)))
    if file.has_labels:
        said[range(len(ids)), [numbers[file.cells[row][0]] for row in order]] = 1
        return said
    known = _probabilities(file)[order]
    if votes:
        decided = known.max(axis=1) > known.min(axis=1)  # equal probabilities are no vote
        known = np.eye(known.shape[1])[known.argmax(axis=1)] * decided[:, np.newaxis]
    said[:, [numbers[name] for name in file.columns[1:]]] = known
    return said


def _probabilities(file: Submission) -> np.ndarray:
    """(records, classes) float64, in the order of the file. Raises DataError with the row."""
    try:
        values = np.array(file.cells, dtype=np.float64)
    except ValueError:
        row, cell = next((r, c) for r, row in enumerate(file.cells, 2) for c in row if not _is(c))
        raise DataError(f"{file.path}, row {row}: {cell!r} is not a number") from None
    wrong = ~((values >= 0) & (values <= 1)).all(axis=1)
    wrong |= ~(np.abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE)
    for row in np.flatnonzero(wrong)[:1]:
        raise DataError(
            f"{file.path}, row {row + 2}: the numbers of {file.ids[row]!r} are not probabilities, "
            "which are 0 to 1 and add up to 1"
        )
    return values


def _is(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(files: Sequence[Submission]) -> tuple[str, str]:
    """The header of the submission: that of a file of labels, or else that of a task."""
    for file in files:
        if file.has_labels:
            return file.columns[0], file.columns[1]
    record = files[0].columns[0]
    known = dict(tasks.load(name).submission for name in tasks.TASKS)
    return record, known.get(record, "label")
