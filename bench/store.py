"""What storing costs, and what it takes to read again, by filter. No rival: our own choices.

    python -m bench store [--mb 256] [--rounds 3] [--kinds photos224 digits] [--folder DIR]

Real samples, drawn before by the tasks with their defaults, go through the sink's own writer into
shards on a disk, flushed; and come back through the replay's own reader, from the page cache: once
in order, once group by group in random order. MB are those of the samples. Each measurement is a
process of its own; filters take turns; medians. `size_…`: of the files ÷ of the samples;
`write_vs_plain_…`: the time to put files of that size onto the same disk ÷ the writer's.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import _data
from bench._lease import made
from bench._turns import Rounds, links_flag, parser, told
from pushfit import tasks
from pushfit.errors import DataError
from pushfit.generator.maker import Maker
from pushfit.host import typed_path
from pushfit.store.filters import FILTERS
from pushfit.tasks.base import TRAIN

# kind: (task, its parameters, visits drawn, K)
KINDS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "photos224": ("camera", {"patch": 224}, 24, 16),
    "photos512": ("camera", {"patch": 512}, 24, 4),
    "digits": ("digits", {}, 60_000, 1),
}
PATIENCE = 300.0
RATIOS = ("size", "write_vs_plain")


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("store", __doc__, seconds=0, rounds=3)
    flags.add_argument("--mb", type=float, default=256, help="of samples, in each measurement")
    flags.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    links_flag(flags, "--photos", "folder with train/")
    links_flag(flags, "--digits", "MNIST's files")
    flags.add_argument("--folder", type=typed_path, help="where to write: that disk is measured")
    options = flags.parse_args(args)
    rounds = Rounds()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind in options.kinds:
            file = Path(folder) / f"{kind}.npz"
            np.savez(file, *drawn(kind, options.photos, options.digits))
            sides = {}
            for name in FILTERS:
                words = ("_stored", kind, name, file, options.mb, folder)
                sides[f"{kind}_{name}"] = partial(told, *words, seconds=PATIENCE)
            rounds.measure(sides, options.rounds)
            file.unlink()
    figures = rounds.figures(form="{name}_{side}")
    ratios = {key: each for key, each in figures.items() if key.startswith(RATIOS)}
    figures = {key: each for key, each in figures.items() if key not in ratios}
    return rounds.result(ratios, figures)


def drawn(kind: str, photos: Path | None, digits: Path | None) -> list[np.ndarray]:
    """The arrays of real samples, visit by visit. Raises DataError."""
    name, params, visits, patches = KINDS[kind]
    links = _data.digits(digits) if name == "digits" else _data.photos(photos)
    chosen = tasks.load(name)
    task = chosen(chosen.Params(**params))
    found = task.scan(links)
    records = np.random.default_rng(0).permutation(len(found.splits[TRAIN]))[:visits].tolist()
    with Maker(task, found, links, 0, {TRAIN: patches}) as maker:
        arrays = made(maker, records)
    if not arrays[0].size:
        raise DataError(f"no samples in {links}")
    return arrays
