"""The audit of what was trained: each sample came in a batch, went to `fit`, was trained on. Pure.

A row of the audit says how many samples of an epoch came (`seen`, by their positions) and how many
were trained on (`trained`, by the steps that Keras counted). The two may differ under a
distribution strategy, or with a model that has its own training loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def with_training(
    splits: Rows, steps: Callable[[str, int], int], batch_size: int, *, stopped: bool
) -> dict[str, list[dict[str, Any]]]:
    """The rows of report.json's `splits`, with the number of samples that were trained on.

    steps: (split, epoch from 0) → batches trained on, or evaluated.
    stopped: the model or a callback ended training before the last epoch. Batches that were read
        ahead are then not missing: epochs that had not begun are left out, and the row of the
        epoch in which training stopped is marked (`stopped`).

    Samples that were skipped, as they do not fill a batch, are not among those trained on.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for split, rows in splits.items():
        found[split] = []
        for row in rows:
            done = steps(split, row["epoch"] - 1)
            wanted = row["expected"] - row.get("skipped", 0)
            trained = min(done * batch_size, wanted)
            ended_here = stopped and trained < wanted
            if ended_here and not done:
                continue
            mark = {"stopped": True} if ended_here else {}
            found[split].append({**row, "trained": trained, **mark})
    return found


def is_clean(report: Mapping[str, Any]) -> bool:
    """Return whether every epoch saw, and where it trains trained on, each of its samples once."""
    return not any(
        unclean(row) or untrained(row) for rows in report["splits"].values() for row in rows
    )


def unclean(row: Mapping[str, Any]) -> bool:
    """Return whether a sample came twice, or not at all where it should have come."""
    if row["duplicate"]:
        return True
    return not row.get("stopped") and bool(
        row["missing"] or row["seen"] + row.get("skipped", 0) != row["expected"]
    )


def untrained(row: Mapping[str, Any]) -> bool:
    """Return whether samples were handed to `fit` but not trained on, without a wanted stop."""
    return not row.get("stopped") and row.get("trained", row["seen"]) < row["seen"]
