"""The summary at the start of a run: its data, validation, length, and files that are not used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pushfit.plan.shards import WHOLE, Shards
from pushfit.tasks.base import TEST, TRAIN, VAL, Unused
from pushfit.text import counted, printable

SHOWN = 8  # most reasons that are shown for files that are not used


def found(
    counts: Mapping[str, Sequence[int]],
    *,
    origin: str,
    validation: str = "",
    unused: Iterable[Unused] = (),
    never: int = 0,
    steps: Mapping[str, int] | None = None,
    dropped: int = 0,
    batch_size: int = 0,
    shards: Shards = WHOLE,
) -> list[str]:
    """The lines of the summary, without line ends.

    counts: {split: records of each class}.
    origin: where the data comes from.
    validation: where the records of validation come from.
    unused: files that are not used.
    never: training records of weight 0.
    steps: {split: batches of an epoch}; None: not known.
    dropped: training samples of an epoch that do not fill a batch, and are left out; of all
        trainers.
    batch_size: samples in a batch, of all trainers.
    shards: of the stream, and of this trainer.
    """
    of = {split: sum(each) for split, each in counts.items() if sum(each)}
    classes = max((len(each) for each in counts.values()), default=0)
    each = ", ".join(f"{split} {count:,}" for split, count in of.items())
    many = "" if TEST in of else f" of {counted(classes, 'class')}"
    lines = [f"Data      {counted(sum(of.values()), 'record')}{many} ({origin}): {each}"]
    if TEST not in of:
        lines.append(f"          validation: {validation or 'as the task divides its records'}")
        if VAL not in of:
            lines[-1] = f"          validation: none{_why_none(validation)}"
    lines += not_used(unused)
    if never:
        lines.append(f"Weights   0 for {counted(never, 'training record')}: never visited")
    if steps and steps.get(TRAIN):
        also = f", {counted(steps[VAL], 'step')} of validation" if steps.get(VAL) else ""
        without = f"; {counted(dropped, 'sample')} left out (--drop-last)" if dropped else ""
        each = f"{counted(steps[TRAIN], 'step')} of {counted(batch_size, 'sample')}"
        lines.append(f"Epoch     {each}{also}{without}")
    if shards.several:
        lines.append(
            f"Trainer   rank {shards.rank} of {shards.world}, with {counted(shards.each, 'shard')} "
            f"of {shards.count}: {shards.batch(batch_size):,} samples of each batch"
        )
    return [printable(line) for line in lines]


def _why_none(validation: str) -> str:
    return f" ({validation})" if validation not in ("", "none") else ""


def not_used(unused: Iterable[Unused]) -> list[str]:
    """A line for each reason, with the number of files and the name of the first one."""
    unused = list(unused)
    if not unused:
        return ["Not used  nothing"]
    lines = [
        f"{'          ' if number else 'Not used  '}{each.count:,} x {each.reason}"
        f" (first: {each.first})"
        for number, each in enumerate(unused[:SHOWN])
    ]
    if len(unused) > SHOWN:
        rest = unused[SHOWN:]
        lines.append(f"          {sum(each.count for each in rest):,} more for other reasons")
    return [printable(line) for line in lines]


def reported(
    counts: Mapping[str, Sequence[int]], validation: str, unused: Iterable[Unused]
) -> dict[str, Any]:
    """The facts of the summary for report.json."""
    return {
        "records": {split: sum(each) for split, each in counts.items()},
        "validation": validation,
        "unused": [
            {"count": each.count, "first": each.first, "reason": each.reason} for each in unused
        ],
    }
