"""The files of a prediction. `OUT` is written last, so where it is, all of them are.

OUT                   a row a record, in the task's form: `ImageId,Label` or `fname,camera`
OUT as …proba.csv     --proba: the same records, with a column a class
OUT as …bad.csv       records that could not be used, and why; only where there are some
OUT.part              while it is not done (`partial`)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lib.errors import OutputError
from lib.predicting.partial import Bad
from lib.tasks.base import Task
from lib.trainer.outputs import prepare_file, write_text


class Forms:
    """Of one submission. Raises OutputError where OUT is there already, or cannot be written."""

    def __init__(self, out: Path, *, overwrite: bool) -> None:
        if out.is_file() and not overwrite:
            raise OutputError(
                f"{out} exists already: choose another --out, or give --overwrite to replace it"
            )
        self.out = prepare_file(out)
        self.part = out.with_name(out.name + ".part")
        self.proba = out.with_name(out.stem + ".proba.csv")
        self.bad = out.with_name(out.stem + ".bad.csv")

    def write(
        self,
        task: Task,
        classes: Sequence[str],
        paths: Sequence[str],
        labels: np.ndarray,
        probabilities: np.ndarray | None,
        bad: Sequence[Bad],
    ) -> None:
        """labels: (records,) int; probabilities: (records, classes), if wanted."""
        ids = [task.submission_id(number, path) for number, path in enumerate(paths)]
        name, label = task.submission
        if bad:
            rows = [(ids[one.record], one.path, one.host, one.reason) for one in bad]
            _write(self.bad, (name, "path", "host", "reason"), rows)
        else:
            self.bad.unlink(missing_ok=True)  # of an earlier submission of this name
        if probabilities is not None:
            texts = probabilities.astype(np.float32).astype(str).tolist()
            _write(
                self.proba, (name, *classes), ((i, *row) for i, row in zip(ids, texts, strict=True))
            )
        answers = ((i, classes[number]) for i, number in zip(ids, labels.tolist(), strict=True))
        _write(self.out, (name, label), answers)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
