"""How many patches one core makes from real photos, and how many other loaders make on two.

    python -m bench generate [--part one-core|loaders] [--rivals torch,keras,tf] [--json] …

**One core** (CPU time, one thread, files in the page cache):

- Ours: a generator's own Maker on a lease of one visit: read, decode, K samples, the lease's
  arrays; defaults, training split.
- The rival, as data loaders are usually written for this competition: `cv2.imread` of the whole
  photo, one random patch, the same manipulations at the same rate with OpenCV. It is spared turning
  the photo by its EXIF tag and swapping BGR to RGB, and OpenCV's bicubic is not antialiased and a
  tenth of the work of Pillow's.
- The two take turns photo by photo, in a changing order; a figure is the median over the rounds, a
  ratio the median of the rounds' ratios.
- `library_share`: the CPU time inside the libraries that decode and transform (`_share`) ÷ all of
  it, over a round of its own.

**Loaders** (patches a second that reach one consumer, on two cores): see `_loaders`. Ours at
`--visits` K, 16 unless said; each rival as documented, which is one patch a photo, and tuned, at
our K. Rounds alternate; the ratio of a rival is that of the size where it does better.

Photos too small for a 512-px patch at x0.5 are left out for all.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import _data
from bench._flow import per
from bench._lease import made
from bench._loaders import WARM_SECONDS, speed
from bench._patches import one_patch
from bench._photos import linked, usable
from bench._share import libraries
from bench._turns import Figures, Rounds, chosen, in_turn, links_flag, parser
from pushfit.generator.maker import Maker
from pushfit.tasks.base import TRAIN, DataSet, Record
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask

SIZES, VISITS = (224, 512), (1, 4, 16)
RIVALS = ("torch", "keras", "tf")
FORMS = ("documented", "tuned")
PARTS = ("one-core", "loaders")
RATE = "patches_per_s"


def run(args: list[str]) -> dict[str, Any]:
    """Raises ConfigError, DataError."""
    flags = parser("generate", __doc__, seconds=6.0, rounds=3)
    links_flag(flags, "--links", "folder with train/")
    flags.add_argument("--photos", type=int, default=42, help="photos to use, spread evenly")
    flags.add_argument("--part", choices=PARTS, help="only this part; both, unless said")
    flags.add_argument("--rivals", default=",".join(RIVALS), help=f"of {', '.join(RIVALS)}")
    flags.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of a patch, in pixels")
    flags.add_argument("--visits", type=int, default=max(VISITS), help="K of the loaders")
    flags.add_argument("--warm", type=float, default=WARM_SECONDS, help="seconds before each")
    options = flags.parse_args(args)
    rivals = chosen("--rivals", options.rivals, RIVALS)
    sizes = [int(px) for px in options.sizes.split(",")]
    links = _data.photos(options.links)
    found = usable(links, max(sizes))
    records = found[:: max(len(found) // options.photos, 1)][: options.photos]
    figures: Figures = {"photos": len(records), "rounds": options.rounds}
    ratios: Figures = {}
    rounds = Rounds()
    if options.part != "loaders":
        with one_core():
            ratios |= one_core_rounds(rounds, links, records, sizes, options.rounds)
    if options.part != "one-core":
        with tempfile.TemporaryDirectory() as folder:
            there = linked(links, records, Path(folder))
            more = loader_rounds(rounds, there, rivals, sizes, options)
        ratios, figures = ratios | more[0], figures | more[1]
    return rounds.result(ratios, figures | rounds.figures())


class Ours:
    """A generator's maker, a lease of one visit at a time."""

    def __init__(self, links: Path, records: Sequence[Record], px: int, k: int) -> None:
        classes = 1 + max(record.label for record in records)
        data = DataSet(tuple(map(str, range(classes))), {TRAIN: tuple(records)})
        self.maker = Maker(CameraTask(CameraParams(patch=px)), data, links, 0, {TRAIN: k})

    def visit(self, number: int, epoch: int) -> np.ndarray:
        return made(self.maker, [number], epoch=epoch, first=number)[0]


def one_core_rounds(
    rounds: Rounds, links: Path, records: Sequence[Record], sizes: Sequence[int], count: int
) -> Figures:
    """Ratios against one patch a photo, and the libraries' share."""
    shares: dict[str, float] = {}
    ours = {(px, k): Ours(links, records, px, k) for px in sizes for k in VISITS}
    for turn in range(count + 2):  # the first warms caches, the last one is for the shares
        rng = np.random.Generator(np.random.Philox(turn))
        seconds: dict[str, float] = defaultdict(float)
        inside: dict[str, float] = defaultdict(float)
        for number, record in enumerate(records):
            jobs = [(px, k) for px in sizes for k in (0, *VISITS)]
            for px, k in in_turn(jobs, turn + number):
                name = f"ours_{px}_k{k}" if k else f"one_patch_{px}"
                start = time.process_time()
                if not k:
                    one_patch(links / record.path, px, rng)
                elif turn <= count:
                    ours[px, k].visit(number, turn)
                else:
                    with libraries() as within:
                        start = time.process_time()
                        ours[px, k].visit(number, turn)
                    inside[name] += within.seconds
                seconds[name] += time.process_time() - start
        for name, total in seconds.items():
            if 0 < turn <= count:
                patches = int(name.partition("_k")[2] or 1) * len(records)
                rounds.add(name, {RATE: per(patches, total, "CPU seconds")})
            elif turn and name in inside:
                shares[f"library_share_{name.removeprefix('ours_')}"] = per(
                    inside[name], total, "CPU seconds"
                )
    for each in ours.values():
        each.maker.__exit__()
    pairs = {
        f"vs_one_patch_{px}_k{k}": (f"ours_{px}_k{k}", f"one_patch_{px}")
        for px in sizes
        for k in VISITS
    }
    return rounds.ratios(pairs, RATE) | shares


def loader_rounds(
    rounds: Rounds,
    links: Path,
    rivals: Sequence[str],
    sizes: Sequence[int],
    options: argparse.Namespace,
) -> tuple[Figures, Figures]:
    """(ratios, figures) against each rival in both forms."""
    others = [f"{rival}_{form}" for rival in rivals for form in FORMS]
    for px in sizes:
        about = (links, px, options.visits, options.seconds, options.warm)
        sides = {f"loader_{side}_{px}": partial(speed, side, *about) for side in ("ours", *others)}
        rounds.measure(sides, options.rounds)
    pairs = {
        f"vs_{side}_{px}": (f"loader_ours_{px}", f"loader_{side}_{px}")
        for side in others
        for px in sizes
    }
    each = rounds.ratios(pairs, RATE)
    ratios: Figures = {}
    for side in others:
        if of_sizes := [each[name] for px in sizes if (name := f"vs_{side}_{px}") in each]:
            ratios[f"vs_{side}"] = min(of_sizes)
    return ratios, each


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, OpenCV on one thread, until the end."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(0)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
