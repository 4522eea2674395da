"""Figures about answers: how many are right, and which classes are confused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pushfit.text import one_line

SHOWN = 20  # most classes in a table on the screen
MISTAKES = 3  # most wrong classes that are named for a class


def accuracy(labels: np.ndarray, truth: np.ndarray) -> float | None:
    """The share of right answers among records with a known label (0 or more); None: none has."""
    known = truth >= 0
    return float((labels == truth)[known].mean()) if known.any() else None


def confusion(labels: np.ndarray, truth: np.ndarray, classes: int) -> list[list[int]] | None:
    """How often each true class (row) was taken for each class (column); None: none is known."""
    known = truth >= 0
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth[known], labels[known]), 1)
    table: list[list[int]] = counts.tolist()
    return table if known.any() else None


def counts(labels: np.ndarray, classes: Sequence[str]) -> dict[str, int]:
    """{class: how often it is the answer}, in the order of the classes."""
    found: list[int] = np.bincount(labels, minlength=len(classes)).tolist()
    return dict(zip(classes, found, strict=True))


def distribution(counted: Mapping[str, int]) -> str:
    """A line with how often each class is the answer; if there are many, the most frequent ones."""
    shown = list(counted.items())
    if len(shown) <= SHOWN:
        return "Predictions: " + ", ".join(f"{one_line(n)} {count:,}" for n, count in shown)
    shown = sorted(shown, key=lambda item: -item[1])[:SHOWN]
    never = sum(not count for count in counted.values())
    rest = f" … ({len(counted):,} classes, {never:,} of them never)"
    return (
        "Most frequent predictions: " + ", ".join(f"{one_line(n)} {c:,}" for n, c in shown) + rest
    )


def ranges(said: np.ndarray, names: Sequence[str]) -> str:
    """A line with the range and the mean of each number. said: (records, numbers)."""
    if not len(said):
        return "Values: none"
    found = zip(
        map(one_line, names), said.min(axis=0), said.max(axis=0), said.mean(axis=0), strict=True
    )
    shown = [f"{n} from {low:.4g} to {high:.4g} (mean {mean:.4g})" for n, low, high, mean in found]
    more = f", … ({len(shown)} values)" if len(shown) > SHOWN else ""
    return "Values: " + ", ".join(shown[:SHOWN]) + more


def class_table(confused: Sequence[Sequence[int]], classes: Sequence[str]) -> list[str]:
    """The lines of a table with a row for each class that has records, in order.

    If there are more than `SHOWN` classes, only those with the lowest accuracy are shown, the worst
    first. confused: as `confusion` returns it.
    """
    rows = list(_class_rows(confused, list(map(one_line, classes))))
    lines = []
    if len(rows) > SHOWN:
        rows = sorted(rows, key=lambda row: row[2] / row[1])[:SHOWN]
        lines.append(f"The {SHOWN} classes with the lowest accuracy:")
    width = max(len("class"), *(len(name) for name, *_ in rows))
    lines.append(f"  {'class':<{width}}  records    right  accuracy  taken for")
    for name, records, right, mistakes in rows:
        line = f"  {name:<{width}}  {records:>7,}  {right:>7,}  {right / records:>8.2%}  {mistakes}"
        lines.append(line.rstrip())
    return lines


def _class_rows(
    confused: Sequence[Sequence[int]], classes: Sequence[str]
) -> Iterator[tuple[str, int, int, str]]:
    """(class, number of records, number of right answers, the classes of wrong answers)."""
    for label, taken in enumerate(confused):
        if records := sum(taken):
            wrong = [(count, other) for other, count in enumerate(taken) if other != label]
            most = sorted(((-count, other) for count, other in wrong if count))[:MISTAKES]
            mistakes = ", ".join(f"{classes[other]} {-count:,}" for count, other in most)
            yield classes[label], records, taken[label], mistakes
