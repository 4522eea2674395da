"""The files of a prediction. `OUT` is written last, so if it exists, all of them do.

OUT                   a row for each record, in the task's form: `ImageId,Label` or `fname,camera`;
                      if the models give numbers, a column for each number
OUT as …proba.csv     --proba: the same records, with a column for each class
OUT as …confusion.csv --labelled: how often each class (row) was taken for each class (column)
OUT as …bad.csv       bad records, and why they are bad; only if there are some
OUT.part              the journal of an unfinished prediction (`journal`)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pushfit.errors import OutputError
from pushfit.predicting import table
from pushfit.predicting.journal import Bad
from pushfit.runs.outputs import prepare_file
from pushfit.tasks.base import TEST, Task


class OutputFiles:
    """The files of one submission. Raises OutputError if OUT exists or cannot be written."""

    def __init__(self, out: Path, *, overwrite: bool) -> None:
        if out.is_file() and not overwrite:
            raise OutputError(
                f"{out} exists already: choose another --out, or give --overwrite to replace it"
            )
        self.out = prepare_file(out)
        self.part = out.with_name(out.name + ".part")
        self.proba = out.with_name(out.stem + ".proba.csv")
        self.bad = out.with_name(out.stem + ".bad.csv")
        self.confusion = out.with_name(out.stem + ".confusion.csv")

    def write(
        self,
        columns: tuple[str, str],
        classes: Sequence[str],
        ids: Sequence[str],
        labels: np.ndarray,
        probabilities: np.ndarray | None,
        bad: Sequence[Bad] = (),
    ) -> None:
        """Write the class of each record.

        columns: names of the column of records and of the column of labels.
        ids: the id of each record.
        labels: (records,) int.
        probabilities: (records, classes); None: they are not written.
        """
        name, label = columns
        self._write_bad(name, ids, bad)
        if probabilities is not None:
            texts = probabilities.astype(np.float32).astype(str).tolist()
            table.write(
                self.proba, (name, *classes), ((i, *row) for i, row in zip(ids, texts, strict=True))
            )
        answers = ((i, classes[number]) for i, number in zip(ids, labels.tolist(), strict=True))
        table.write(self.out, (name, label), answers)

    def write_numbers(
        self, header: Sequence[str], ids: Sequence[str], said: np.ndarray, bad: Sequence[Bad]
    ) -> None:
        """Write the numbers of each record instead of a class. A bad record has none.

        header: names of the column of records and of the column of each number.
        said: (records, numbers).
        """
        self._write_bad(header[0], ids, bad)
        texts = said.astype(np.float32).astype(str).tolist()
        for one in bad:
            texts[one.record] = [""] * len(texts[one.record])
        table.write(self.out, header, ((i, *row) for i, row in zip(ids, texts, strict=True)))

    def _write_bad(self, name: str, ids: Sequence[str], bad: Sequence[Bad]) -> None:
        """Write the bad records. name: name of the column of records."""
        if bad:
            rows = [(ids[one.record], one.path, one.host, one.reason) for one in bad]
            table.write(self.bad, (name, "path", "host", "reason"), rows)
        else:
            self.bad.unlink(missing_ok=True)  # of an earlier submission of this name

    def write_confusion(
        self, classes: Sequence[str], confused: Sequence[Sequence[int]] | None
    ) -> None:
        """Write the confusion matrix.

        confused: as `figures.confusion` returns it; None: remove the file of an earlier prediction.
        """
        if confused is None:
            self.confusion.unlink(missing_ok=True)  # of an earlier submission of this name
            return
        rows = ((name, *map(str, row)) for name, row in zip(classes, confused, strict=True))
        table.write(self.confusion, ("true class", *classes), rows)


def ids(task: Task, paths: Sequence[str]) -> list[str]:
    """The id of each record: that of the task, or its path if two ids would be the same."""
    names = [task.submission_id(number, path) for number, path in enumerate(paths)]
    if len(set(names)) == len(names):
        return names
    return [path.removeprefix(f"{TEST}/") for path in paths]
