"""Seconds until something happens: until help is shown, and until a worker's first samples.

    python -m bench start [--rounds 5] [--warm 1] [--cameras DIR] [--mnist DIR]

- `train_help_s`, …: the whole process of `python train_zmq.py --help`; `python -c pass` beside it.
- `generator_camera_s`, `generator_digits_s`: from the start of a generator's process to its first
  lease in the hands of a trainer that waits for it; `tfdata_worker_s`, `torch_worker_s`: the same
  for a tf.data service worker, and for a DataLoader's worker by spawn (`bench/_starts.py`).
- `import_tensorflow_s`: what a worker that must import it cannot do without.
- Files are in the page cache; the sides take turns; medians.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench import _data
from bench._apart import printed
from bench._turns import Figures, Rounds, links_flag, parser, told

PATIENCE = 120.0  # seconds for a measurement


def _process(*words: str) -> Figures:
    started = time.perf_counter()
    printed(*words, seconds=PATIENCE)
    return {"s": time.perf_counter() - started}


RIVALS: dict[str, Callable[[], Figures]] = {
    "import_tensorflow": partial(_process, "-c", "import tensorflow"),
    "tfdata_worker": partial(told, "_starts", "tfdata", seconds=PATIENCE),
    "torch_worker": partial(told, "_starts", "torch", seconds=PATIENCE),
}
SCRIPTS = {"train": "train_zmq.py", "generator": "generator_zmq.py", "sink": "sink_zmq.py"}


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("start", __doc__, seconds=0, rounds=5)
    flags.add_argument("--warm", type=int, default=1, help="rounds before, to fill the page cache")
    links_flag(flags, "--cameras", "photos' links")
    links_flag(flags, "--mnist", "MNIST's files")
    options = flags.parse_args(args)
    links = {"camera": _data.photos(options.cameras), "digits": _data.digits(options.mnist)}
    sides: dict[str, Callable[[], Figures]] = {
        f"{name}_help": partial(_process, script, "--help") for name, script in SCRIPTS.items()
    }
    sides["python"] = partial(_process, "-c", "pass")
    for task, folder in links.items():
        words = ("_starts", "generator", task, folder)
        sides[f"generator_{task}"] = partial(told, *words, seconds=PATIENCE)
    sides |= RIVALS
    Rounds().measure(sides, options.warm)
    rounds = Rounds()
    rounds.measure(sides, options.rounds)
    pairs = {
        f"{task}_vs_{other}": (other, f"generator_{task}")
        for task, other in itertools.product(links, RIVALS)
    }
    return rounds.result(rounds.ratios(pairs, "s"))
