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
import importlib.util
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench._loaders import WARM_SECONDS, speed
from bench._patches import one_patch
from bench._share import Libraries
from lib.errors import BadRecord, DataError
from lib.generator.maker import Control, Maker
from lib.tasks.base import TRAIN, DataSet, Record
from lib.tasks.camera import CameraParams, CameraTask
from lib.wire.protocol import Grant

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "cameras"
SIZES, VISITS = (224, 512), (1, 4, 16)
RIVALS = {"torch": "torch", "keras": "keras", "tf": "tensorflow"}  # and the module each needs
FORMS = ("documented", "tuned")
PARTS = ("one-core", "loaders")

Figures = dict[str, float]


def run(args: list[str]) -> dict[str, Any]:
    """{"bench", "ratios", "figures", "failed"}. Raises DataError."""
    parser = argparse.ArgumentParser(prog="python -m bench generate", description=__doc__)
    parser.add_argument("--links", type=Path, default=PHOTOS, help="folder that holds train/")
    parser.add_argument("--photos", type=int, default=42, help="photos to use, spread evenly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help="only this part; both, unless said")
    parser.add_argument("--rivals", default=",".join(RIVALS), help=f"of {', '.join(RIVALS)}")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of a patch, in pixels")
    parser.add_argument("--visits", type=int, default=max(VISITS), help="K of the loaders")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a loader's measurement")
    parser.add_argument("--warm", type=float, default=WARM_SECONDS, help="seconds before that")
    options = parser.parse_args(args)
    sizes = [int(px) for px in options.sizes.split(",")]
    records = usable(options.links, options.photos, max(sizes))
    figures: Figures = {"photos": len(records), "rounds": options.rounds}
    ratios: Figures = {}
    failed: list[str] = []
    if options.part != "loaders":
        with one_core():
            more = one_core_rounds(options.links, records, sizes, options.rounds)
        ratios, figures = ratios | more[0], figures | more[1]
    if options.part != "one-core":
        rivals, failed = installed(options.rivals.split(","))
        with folder_of(options.links, records) as links:
            more = loader_rounds(links, rivals, sizes, options)
        ratios, figures = ratios | more[0], figures | more[1]
    return {"bench": "generate", "ratios": ratios, "figures": figures, "failed": failed}


def installed(rivals: Sequence[str]) -> tuple[list[str], list[str]]:
    """(those that are there, a sentence for each that is not)."""
    found = [name for name in rivals if importlib.util.find_spec(RIVALS[name]) is not None]
    failed = [
        f"{name} is not installed and was left out: pip install -r bench/requirements.txt"
        for name in rivals
        if name not in found
    ]
    return found, failed


def usable(links: Path, count: int, px: int) -> list[Record]:
    """Training photos, spread evenly, that are large enough for every manipulation."""
    task = CameraTask(CameraParams(patch=px))
    found = []
    for record in task.scan(links).splits[TRAIN]:
        try:
            height, width, _ = task.decode(task.read(links, record), record).shape
        except BadRecord:
            continue
        if min(height, width) >= 2 * px:
            found.append(record)
    if not found:
        raise DataError(f"no photo in {links} is at least {2 * px} px a side")
    return found[:: max(len(found) // count, 1)][:count]


@contextmanager
def folder_of(links: Path, records: Sequence[Record]) -> Iterator[Path]:
    """A links folder with these records alone."""
    with tempfile.TemporaryDirectory() as folder:
        for record in records:
            link = Path(folder) / record.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((links / record.path).resolve())
        yield Path(folder)


class Ours:
    """A generator's maker, a lease of one visit at a time."""

    def __init__(self, links: Path, records: Sequence[Record], px: int, k: int) -> None:
        classes = 1 + max(record.label for record in records)
        data = DataSet(tuple(map(str, range(classes))), {TRAIN: tuple(records)})
        self.maker = Maker(CameraTask(CameraParams(patch=px)), data, links, 0, {TRAIN: k})
        self.control = Control()

    def visit(self, number: int, epoch: int) -> np.ndarray:
        grant = Grant(0, 0, TRAIN, epoch, number, [number], [])
        made = self.maker.make(grant, (), self.control)
        if made.bad:
            raise DataError(f"a photo went bad: {made.bad[0]}")
        return made.arrays[0]


def one_core_rounds(
    links: Path, records: Sequence[Record], sizes: Sequence[int], rounds: int
) -> tuple[Figures, Figures]:
    """(ratios, figures) against one patch a photo, and the libraries' share."""
    speeds: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, float] = {}
    ours = {(px, k): Ours(links, records, px, k) for px in sizes for k in VISITS}
    for turn in range(rounds + 2):  # the first warms caches, the last one is for the shares
        rng = np.random.Generator(np.random.Philox(turn))
        seconds: dict[str, float] = defaultdict(float)
        inside: dict[str, float] = defaultdict(float)
        for number, record in enumerate(records):
            jobs = [(px, k) for px in sizes for k in (0, *VISITS)]
            first = (turn + number) % len(jobs)  # whoever follows whom, nobody gains by it
            for px, k in jobs[first:] + jobs[:first]:
                name = f"ours_{px}_k{k}" if k else f"one_patch_{px}"
                start = time.process_time()
                if not k:
                    one_patch(links / record.path, px, rng)
                elif turn <= rounds:
                    ours[px, k].visit(number, turn)
                else:
                    with Libraries() as libraries:
                        start = time.process_time()
                        ours[px, k].visit(number, turn)
                    inside[name] += libraries.seconds
                seconds[name] += time.process_time() - start
        for name, total in seconds.items():
            if 0 < turn <= rounds:
                speeds[name].append(int(name.partition("_k")[2] or 1) * len(records) / total)
            elif turn and name in inside:
                shares[f"library_share_{name.removeprefix('ours_')}"] = inside[name] / total
    for each in ours.values():
        each.maker.__exit__()
    ratios = {
        f"vs_one_patch_{px}_k{k}": ratio(speeds[f"ours_{px}_k{k}"], speeds[f"one_patch_{px}"])
        for px in sizes
        for k in VISITS
    }
    return ratios | shares, per_second(speeds)


def loader_rounds(
    links: Path, rivals: Sequence[str], sizes: Sequence[int], options: argparse.Namespace
) -> tuple[Figures, Figures]:
    """(ratios, figures) against each rival in both forms."""
    sides = ["ours", *(f"{rival}_{form}" for rival in rivals for form in FORMS)]
    speeds: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        first = turn % len(sides)
        for side in sides[first:] + sides[:first]:
            for px in sizes:
                rate = speed(side, links, px, options.visits, options.seconds, options.warm)
                speeds[f"{side}_{px}"].append(rate)
    each = {
        f"vs_{side}_{px}": ratio(speeds[f"ours_{px}"], speeds[f"{side}_{px}"])
        for side in sides[1:]
        for px in sizes
    }
    ratios = {f"vs_{side}": min(each[f"vs_{side}_{px}"] for px in sizes) for side in sides[1:]}
    loaders = {f"loader_{name}": value for name, value in per_second(speeds).items()}
    return ratios, each | loaders


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))


def per_second(speeds: dict[str, list[float]]) -> Figures:
    return {f"{name}_patches_per_s": statistics.median(each) for name, each in speeds.items()}


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
