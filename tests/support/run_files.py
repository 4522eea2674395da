"""What a run has written, compared."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pushfit.runs.checkpoint_state import RunState

TIMING = {"seconds", "patches_per_second", "stall_share", "generators"}


def same_run(first: RunState, second: RunState) -> None:
    for name in RunState.__struct_fields__:
        if name not in ("run", "resumed_at"):
            assert getattr(first, name) == getattr(second, name), name


def history(out: Path) -> list[dict[str, str]]:
    with (out / "history.csv").open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key not in TIMING}
            for row in csv.DictReader(file)
        ]


def variables(path: Path) -> Iterator[np.ndarray]:
    from pushfit.training import checkpoint

    model = checkpoint.load(path, compiled=True)
    for variable in [*model.weights, *model.optimizer.variables]:
        yield np.asarray(variable)
