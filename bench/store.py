"""What storing costs, and what it takes to read again, by filter. No rival: our own choices.

    python -m bench store [--mb 256] [--rounds 3] [--kinds photos224 digits] [--folder DIR]

Real samples, drawn before by the tasks with their defaults, go through the sink's own writer into
shards on a disk, flushed; and come back through the replay's own reader, from the page cache: once
in order, once group by group in random order. MB are those of the samples. Each measurement is a
process of its own; filters take turns; medians. `size_…`: of the files ÷ of the samples;
`write_vs_plain_…`: the time to put files of that size onto the same disk ÷ the writer's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bench._apart import ROOT, printed
from lib import tasks
from lib.errors import DataError
from lib.generator.maker import Control, Maker
from lib.store.filters import FILTERS
from lib.tasks.base import TRAIN
from lib.wire.protocol import Grant

DATA = ROOT.parent / "shared" / "data"
# kind: (task, its parameters, folder of its data, visits drawn, K)
KINDS: dict[str, tuple[str, dict[str, Any], str, int, int]] = {
    "photos224": ("camera", {"patch": 224}, "cameras", 24, 16),
    "photos512": ("camera", {"patch": 512}, "cameras", 24, 4),
    "digits": ("digits", {}, "mnist", 60_000, 1),
}
PATIENCE = 300.0


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench store", description=__doc__)
    parser.add_argument("--mb", type=float, default=256, help="of samples, in each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--data", type=Path, default=DATA, help="holds cameras/ and mnist/")
    parser.add_argument("--folder", type=Path, help="where to write: the disk that is measured")
    options = parser.parse_args(args)
    measured: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind in options.kinds:
            file = Path(folder) / f"{kind}.npz"
            np.savez(file, *drawn(kind, options.data))
            for turn in range(options.rounds):
                first = turn % len(FILTERS)
                for name in (*FILTERS[first:], *FILTERS[:first]):
                    words = ("-m", "bench._stored", kind, name, str(file), str(options.mb), folder)
                    told = json.loads(printed(*words, seconds=PATIENCE))
                    measured[kind, name].append(told)
            file.unlink()
    return _result(measured)


def drawn(kind: str, data: Path) -> list[np.ndarray]:
    """The arrays of real samples, visit by visit. Raises DataError."""
    name, params, folder, visits, patches = KINDS[kind]
    chosen = tasks.load(name)
    task = chosen(chosen.Params(**params))
    found = task.scan(data / folder)
    records = np.random.default_rng(0).permutation(len(found.splits[TRAIN]))[:visits].tolist()
    with Maker(task, found, data / folder, 0, {TRAIN: patches}) as maker:
        made = maker.make(Grant(0, 0, TRAIN, 0, 0, records, []), (), Control())
    if not made.arrays[0].size:
        raise DataError(f"no samples in {data / folder}")
    return made.arrays


def _result(measured: dict[tuple[str, str], list[dict[str, float]]]) -> dict[str, Any]:
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    failed = []
    for (kind, name), each in measured.items():
        for figure in each[0]:
            median = statistics.median(one[figure] for one in each)
            into = ratios if figure in ("size", "write_vs_plain") else figures
            into[f"{figure}_{kind}_{name}"] = median
        if not all(one["right"] for one in each):
            failed.append(f"{kind}, {name}: what was read is not what was stored")
        del figures[f"right_{kind}_{name}"]
    return {"bench": "store", "ratios": ratios, "figures": figures, "failed": failed}
