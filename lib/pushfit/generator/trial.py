"""A trial of a task before it works: a sample that is drawn twice must be the same.

With other randomness than the sample's own (`random`, `np.random`, the clock), each run and each
host would have another stream, and nothing else would reveal that. The trial also loads what the
task loads when it is first needed, before times are measured.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pushfit.errors import TaskError
from pushfit.generator.partners import numbers
from pushfit.generator.watchdog import named
from pushfit.plan.order import partner_rng, patch_draws, patch_rng
from pushfit.tasks import checks
from pushfit.tasks.base import TEST, BlockTask, DataSet, Decoded, Task, has_partners
from pushfit.tasks.sample_check import Samples

TRIES = 5  # records of a split that are tried until a sample can be drawn
SEED = 0

_RAISED = (Exception, SystemExit)


def trial(
    task: Task,
    data: DataSet,
    links: Path,
    read: Callable[[str, int], Any],
    begin: Callable[[str], None] = lambda path: None,
    place: int = 0,
) -> None:
    """Draw a sample of each split twice. Raises TaskError if they differ.

    read: (split, record) → what `task.read` returns for it.
    begin: called with the path of each record before it is read.
    place: the number of the first record to try. It differs between generators, so that a record
        over which the task hangs or crashes cannot keep all of them from joining.

    An exception of the task, or a sample against its declaration, is not reported here, but when
    samples are made.
    """
    samples = Samples(task, task.arrays(), 0)
    for split, records in data.splits.items():
        numbers = checks.spread(len(records), TRIES)
        turn = place % len(numbers) if numbers else 0
        for number in numbers[turn:] + numbers[:turn]:
            begin(records[number].path)
            try:
                draw = partial(_drawn, task, data, split, number, read)
                drawn = [named(records[number].path, draw) for _ in range(2)]
                first, second = (samples.check(one, "sample", "") for one in drawn)
            except _RAISED:
                continue
            where = f"task {task.name}: sample() of {records[number].path}"
            _compare(task, first, second, f"{where} gave two different samples for the same rng")
            if isinstance(task, BlockTask) and split != TEST:
                block = _of_block(task, links, split, number, samples)
                if block is not None:
                    _compare(task, first, block, f"{where} and block() give different samples")
            break


def _drawn(
    task: Task, data: DataSet, split: str, number: int, read: Callable[[str, int], Any]
) -> Any:
    record = data.splits[split][number]

    def rng() -> np.random.Generator:
        return patch_rng(SEED, split, 0, 0, number, 0)

    item = task.decode_for(read(split, number), record, split, iter([rng()]))
    if has_partners(task):
        chosen = numbers(task, data, split, number, partner_rng(SEED, split, 0, 0, number, number))
        others = [(read(split, each), data.splits[split][each]) for each in chosen]
        partners = [Decoded(task.decode(raw, other), other) for raw, other in others]
        item = Decoded(item, record), *partners
    return task.sample(item, record, split, 0, rng())


def _of_block(
    task: BlockTask, links: Path, split: str, number: int, samples: Samples
) -> list[Any] | None:
    visits, records, patches = np.zeros(1, np.int64), np.full(1, number), np.zeros(1, np.int64)
    draws = patch_draws(SEED, split, 0, visits, records, patches)
    try:
        made = task.block(links, split, records, patches, draws)
        return [value[0] for value in samples.check(made, "block", "", (1,))]
    except _RAISED:
        return None  # if block() raises, a lease is made sample by sample


def _compare(task: Task, one: list[Any], other: list[Any], what: str) -> None:
    for spec, a, b in zip(task.arrays(), one, other, strict=True):
        a, b = np.asarray(a, spec.dtype), np.asarray(b, spec.dtype)
        differ = a.tobytes() != b.tobytes()
        if differ:
            raise TaskError(
                f"{what}: {spec.name!r} differs{_first(a, b)}. A sample must depend only on its "
                "arguments, or no two runs and no two hosts make the same stream: take all "
                "randomness from `rng`, none from random, np.random, the clock or the host"
            )


def _first(a: np.ndarray, b: np.ndarray) -> str:
    """In words, where two arrays first differ; "": they compare as equal (NaN, -0.0)."""
    places = np.argwhere(a != b)
    if not len(places):
        return ""
    place = tuple(places[0].tolist())
    at = f" at {list(place)}" if place else ""
    return f"{at} ({a[place]!s} and {b[place]!s})"
