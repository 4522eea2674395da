"""How many patches one core makes from real photos, against the one-patch-a-photo way.

    python -m bench generate [--links DIR] [--photos N] [--rounds N] [--json]

- Ours: the camera task's own read, decode and K x sample of a visit, defaults, training split.
- The rival, as data loaders are usually written for this competition: `cv2.imread` of the whole
  photo, one random patch, the same manipulations at the same rate with OpenCV: imencode/imdecode
  of the patch, `resize` INTER_CUBIC of just the region that is needed, a look-up table. It is
  spared turning the photo by its EXIF tag and swapping BGR to RGB.
- It is also let off lightly: OpenCV's bicubic is not antialiased and a tenth of the work of
  Pillow's, and its JPEG patches do not follow the photo's grid.
- One core, one thread each, files in the page cache, CPU time: what else runs here counts little.
  The two take turns photo by photo, in a changing order; a figure is the median over the rounds, a
  ratio the median of the rounds' ratios.
- Photos too small for a 512-px patch at x0.5 are left out for both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import BadRecord, DataError
from lib.tasks.base import TRAIN, Record
from lib.tasks.camera import ALL, CameraParams, CameraTask

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "cameras"
SIZES, VISITS = (224, 512), (1, 4, 16)
TABLES = {
    gamma: np.array([round(255 * (v / 255) ** gamma) for v in range(256)], np.uint8)
    for gamma in (0.8, 1.2)
}


def run(args: list[str]) -> dict[str, Any]:
    """{"bench", "ratios": {name: number}, "figures": {name: number}}. Raises DataError."""
    parser = argparse.ArgumentParser(prog="python -m bench generate", description=__doc__)
    parser.add_argument("--links", type=Path, default=PHOTOS, help="folder that holds train/")
    parser.add_argument("--photos", type=int, default=42, help="photos to use, spread evenly")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, at least 3")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    with one_core():
        return measure(options.links, options.photos, max(options.rounds, 3))


def measure(links: Path, photos: int, rounds: int) -> dict[str, Any]:
    tasks = {px: CameraTask(CameraParams(patch=px)) for px in SIZES}
    records = usable(tasks[max(SIZES)], links)
    records = records[:: max(len(records) // photos, 1)][:photos]
    speeds: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):  # the first one warms caches and is thrown away
        rng = np.random.Generator(np.random.Philox(turn))
        seconds: dict[str, float] = defaultdict(float)
        for number, record in enumerate(records):
            jobs = [(px, k) for px in SIZES for k in (0, *VISITS)]
            first = (turn + number) % len(jobs)  # whoever follows whom, nobody gains by it
            for px, k in jobs[first:] + jobs[:first]:
                start = time.process_time()
                if k:
                    visit(tasks[px], links, record, k, rng)
                else:
                    one_patch(links / record.path, px, rng)
                seconds[f"ours_{px}_k{k}" if k else f"one_patch_{px}"] += (
                    time.process_time() - start
                )
        if turn:
            for name, total in seconds.items():
                made = int(name.partition("_k")[2] or 1) * len(records)
                speeds[name].append(made / total)
    figures = {f"{name}_patches_per_s": middle(speed) for name, speed in speeds.items()}
    ratios = {
        f"vs_one_patch_{px}_k{k}": middle(
            [
                ours / theirs
                for ours, theirs in zip(
                    speeds[f"ours_{px}_k{k}"], speeds[f"one_patch_{px}"], strict=True
                )
            ]
        )
        for px in SIZES
        for k in VISITS
    }
    figures |= {"photos": len(records), "rounds": rounds}
    return {"bench": "generate", "ratios": ratios, "figures": figures}


def usable(task: CameraTask, links: Path) -> list[Record]:
    """The training photos that are large enough for every manipulation, for both sides."""
    found = []
    for record in task.scan(links).splits[TRAIN]:
        try:
            height, width, _ = task.decode(task.read(links, record), record).shape
        except BadRecord:
            continue
        if min(height, width) >= 2 * task.params.patch:
            found.append(record)
    if not found:
        raise DataError(f"no photo in {links} is at least {2 * task.params.patch} px a side")
    return found


def visit(task: CameraTask, links: Path, record: Record, k: int, rng: np.random.Generator) -> None:
    """Our way: K patches from one reading and decoding."""
    photo = task.decode(task.read(links, record), record)
    for patch in range(k):
        task.sample(photo, record, TRAIN, patch, rng)


def one_patch(path: Path, px: int, rng: np.random.Generator) -> np.ndarray:
    """The usual way: the whole photo for one patch."""
    import cv2

    photo = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    name = ALL[int(rng.integers(len(ALL)))] if rng.random() < 0.5 else "none"
    side = round(px / float(name[6:])) if name.startswith("resize") else px
    y, x = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    patch = np.ascontiguousarray(photo[y : y + side, x : x + side])
    if name.startswith("jpeg"):
        _, packed = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, int(name[4:])])
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)
    if name.startswith("resize"):
        return cv2.resize(patch, (px, px), interpolation=cv2.INTER_CUBIC)
    if name.startswith("gamma"):
        return cv2.LUT(patch, TABLES[float(name[5:])])
    return patch


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 3)


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
