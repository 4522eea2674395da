"""How long it takes until something happens: help on the screen, and a worker's first samples.

    python -m bench start [--rounds 5] [--warm 1] [--cameras DIR] [--mnist DIR]

- `train_help_s`, …: the whole process of `python train_zmq.py --help`; `python -c pass` beside it.
- `generator_camera_s`, `generator_digits_s`: from the start of a generator's process to its first
  lease in the hands of a trainer that waits for it; `tfdata_worker_s`, `torch_worker_s`: the same
  of a tf.data service worker, and of a DataLoader's by spawn (`bench/_starts.py`).
- `import_tensorflow_s`: what a worker that must import it cannot do without.
- Files are in the page cache; the sides take turns; medians.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench._apart import ROOT, printed
from lib.errors import PushFitError

PATIENCE = 120.0  # seconds for a measurement
DATA = ROOT.parent / "shared" / "data"
RIVALS: dict[str, Callable[[], float]] = {
    "import_tensorflow_s": lambda: _process("-c", "import tensorflow"),
    "tfdata_worker_s": lambda: _start("tfdata"),
    "torch_worker_s": lambda: _start("torch"),
}
SCRIPTS = {"train": "train_zmq.py", "generator": "generator_zmq.py", "sink": "sink_zmq.py"}


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=1, help="rounds before, to fill the page cache")
    parser.add_argument("--cameras", type=Path, default=DATA / "cameras", help="photos' links")
    parser.add_argument("--mnist", type=Path, default=DATA / "mnist", help="MNIST's files")
    options = parser.parse_args(args)
    sides: dict[str, Callable[[], float]] = {
        f"{name}_help_s": lambda script=script: _process(script, "--help")  # type: ignore[misc]
        for name, script in SCRIPTS.items()
    }
    sides |= {
        "python_s": lambda: _process("-c", "pass"),
        "generator_camera_s": lambda: _start("generator", "camera", str(options.cameras)),
        "generator_digits_s": lambda: _start("generator", "digits", str(options.mnist)),
        **RIVALS,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    failed = []
    for turn in range(options.warm + options.rounds):
        for name, side in sides.items():
            if name not in seconds:
                continue
            try:
                spent = side()
            except PushFitError as error:
                failed.append(f"{name}: {error}")
                del seconds[name]
                continue
            if turn >= options.warm:
                seconds[name].append(spent)
    figures = {name: statistics.median(each) for name, each in seconds.items()}
    ratios = {}
    for worker, other in itertools.product(("camera", "digits"), RIVALS):
        pair = f"generator_{worker}_s", other
        if all(name in seconds for name in pair):
            each = zip(*(seconds[name] for name in pair), strict=True)
            name = f"{worker}_vs_{other.removesuffix('_s')}"
            ratios[name] = statistics.median(theirs / ours for ours, theirs in each)
    return {"bench": "start", "ratios": ratios, "figures": figures, "failed": failed}


def _process(*words: str) -> float:
    started = time.perf_counter()
    printed(*words, seconds=PATIENCE)
    return time.perf_counter() - started


def _start(*words: str) -> float:
    said = printed("-m", "bench._starts", *words, seconds=PATIENCE)
    return float(json.loads(said.splitlines()[-1])["seconds"])
