"""Training on photos such as ImageNet's: images a second from JPEGs on a disk to one consumer.

    python -m bench images [--links DIR] [--photos N] [--rivals a,b] [--part loaders|one-core]

Every side reads the same small JPEGs, cuts a random part of each (8 to 100 % of its area, 3:4 to
4:3), resizes it to 224 x 224 by antialiased bilinear interpolation, mirrors half of them, and gives
batches of 32 in random order, as uint8. `bench/README.md` says how each side was set up; the code
is in `bench/_images_*.py`.

**Loaders**: two processes or threads make samples, all on the same two cores, and one consumer
takes arrays. **One core**: one process on one core, for the sides that can do without workers.

    vs_best_tuned         our images a second ÷ those of the tuned rival that does best
    vs_SIDE               our images a second ÷ those of that side
    vs_SIDE_cpu           that side's CPU milliseconds an image ÷ ours, all processes
    library_share         the part of a generator's CPU time that passes inside the libraries
    SIDE_images_per_s     what reaches the consumer
    SIDE_cpu_ms           CPU milliseconds of all processes an image
    SIDE_alone_images_per_cpu_s  images a CPU second, one process on one core

A side whose samples do not look like those that Pillow makes of the same photos is left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import _data
from bench._images_formats import KINDS
from bench._images_ours import TASK
from bench._images_sides import ALONE, LOOKED_AT, OURS, SIDES, Seen
from bench._images_work import Job, pillow_sample
from bench._photos import linked
from bench._rivals import WORKERS
from bench._turns import Figures, Rounds, chosen, links_flag, parser, told
from pushfit.errors import DataError, PushFitError
from pushfit.tasks import folders
from pushfit.tasks.base import TRAIN, Record

PARTS = ("one-core", "loaders")
FORMS = ("documented", "tuned")
RIVALS = tuple(dict.fromkeys(side.rpartition("_")[0] for side in SIDES if side != OURS))
WARM_SECONDS = 4.0
PATIENCE = 120.0  # seconds for the start and end of a measurement
PIXELS_WITHIN = 12.0  # of 255, by which mean and deviation may differ from Pillow's
SHARPER = 1.25  # by which the mean step between neighbouring pixels may differ
UNEVEN = 0.5  # by which the share of a class may differ from its share of the photos
RATE, CPU, ALONE_RATE = "images_per_s", "cpu_ms", "images_per_cpu_s"


def run(args: list[str]) -> dict[str, Any]:
    """Raises ConfigError, DataError."""
    flags = parser("images", __doc__, seconds=6.0, rounds=3)
    links_flag(flags, "--links", "folder with train/CLASS/, of JPEGs")
    flags.add_argument("--photos", type=int, default=2000, help="photos to use, spread evenly")
    flags.add_argument("--part", choices=PARTS, help="only this part; both, unless said")
    flags.add_argument("--rivals", default=",".join(RIVALS), help=f"of {', '.join(RIVALS)}")
    flags.add_argument("--warm", type=float, default=WARM_SECONDS, help="seconds before each")
    flags.add_argument("--task", default=TASK, help=f"our side's task, a name or file [{TASK}]")
    options = flags.parse_args(args)
    rivals = chosen("--rivals", options.rivals, RIVALS)
    links = _data.images(options.links)
    records = jpegs(links, options.photos)
    with tempfile.TemporaryDirectory() as there:
        folder, formats = Path(there) / "photos", Path(there) / "formats"
        formats.mkdir()
        job = Job(str(linked(links, records, folder)), str(formats), WORKERS, options.task)
        rounds = Rounds()
        measure(rounds, job, rivals, options)
    figures: Figures = {"photos": len(records), "rounds": options.rounds}
    return rounds.result(ratios(rounds), figures | _figures(rounds))


def jpegs(links: Path, count: int) -> list[Record]:
    """At most so many of the JPEGs in `links/train`, spread evenly. Raises DataError."""
    found = [
        each
        for each in folders.scan(links).splits[TRAIN]
        if each.path.startswith("train/") and each.path.lower().endswith((".jpg", ".jpeg"))
    ]
    if not found:
        raise DataError(f"there are no JPEGs in {links / 'train'}, and `bench images` needs some")
    count = max(min(count, len(found)), 1)
    return [found[n * len(found) // count] for n in range(count)]


def measure(rounds: Rounds, job: Job, rivals: Sequence[str], options: argparse.Namespace) -> None:
    """The rounds of both parts."""
    sides = [side for side in SIDES if side == OURS or side.rpartition("_")[0] in rivals]
    for kind in KINDS:
        users = [side for side in sides if side.startswith(kind)]
        if users and (complaint := _written(kind, job)):
            rounds.failed.append(f"{kind}: {complaint}")
            sides = [side for side in sides if side not in users]
    reference = looked_at(job)
    about = options.seconds, options.warm
    of_one_core = msgspec.structs.replace(job, workers=0)
    todo: dict[str, Callable[[], dict[str, Any]]] = {}
    if options.part != "loaders":
        todo |= {
            f"{side}_alone": partial(one, side, of_one_core, reference, *about)
            for side in sides
            if side in ALONE
        }
    if options.part != "one-core":
        todo |= {side: partial(one, side, job, reference, *about) for side in sides}
    rounds.measure(todo, options.rounds)


def _written(kind: str, job: Job) -> str:
    """Write the photos in another library's format. Returns what went wrong; ``""``: nothing."""
    try:
        told("_images_formats", kind, job.links, Path(job.formats) / kind, seconds=600)
    except PushFitError as error:
        return str(error)
    return ""


def looked_at(job: Job) -> dict[str, Any]:
    """What samples look like that Pillow makes, photo after photo."""
    seen = Seen()
    for n in range(LOOKED_AT):
        path, label = job.photos[n * len(job.photos) // LOOKED_AT % len(job.photos)]
        seen.look(pillow_sample(Path(path).read_bytes())[None], np.array([label]))
    return seen.figures()


def one(side: str, job: Job, reference: dict[str, Any], seconds: float, warm: float) -> Figures:
    """One measurement. Raises PushFitError where the samples are not those of the job."""
    # The workers are the parallelism.
    env = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = side, msgspec.json.encode(job).decode(), seconds, warm
    row = told("_images_sides", *words, seconds=seconds + warm + PATIENCE, env=env)
    check(row.pop("seen"), reference)
    said = ", ".join(f"{name} {value:.3f}" for name, value in row.items())
    print(f"{side}: {said}", file=sys.stderr, flush=True)  # it takes minutes in all
    return row


def check(seen: dict[str, Any], reference: dict[str, Any]) -> None:
    """Raise PushFitError where samples do not look like those that Pillow makes."""
    for name in ("mean", "deviation"):
        if abs(seen[name] - reference[name]) > PIXELS_WITHIN:
            raise PushFitError(_other(f"the {name} of the pixels", seen[name], reference[name]))
    if not 1 / SHARPER < seen["sharpness"] / reference["sharpness"] < SHARPER:
        raise PushFitError(_other("their sharpness", seen["sharpness"], reference["sharpness"]))
    mine, theirs = (sum(each["classes"].values()) for each in (seen, reference))
    for label in {*seen["classes"], *reference["classes"]}:
        share, right = (
            each["classes"].get(label, 0) / total
            for each, total in ((seen, mine), (reference, theirs))
        )
        if abs(share - right) > UNEVEN * right:
            raise PushFitError(_other(f"the share of class {label}", share, right))


def _other(what: str, found: float, right: float) -> str:
    return f"its samples are not those of the job: {what} is {found:.2f}, and Pillow's {right:.2f}"


def ratios(rounds: Rounds) -> Figures:
    """Ours against each rival, and against the tuned one that does best."""
    rivals = [side for side in SIDES if side != OURS]
    found = rounds.ratios({f"vs_{side}": (OURS, side) for side in rivals}, RATE)
    tuned = [value for name, value in found.items() if name.endswith("_tuned")]
    best = {"vs_best_tuned": min(tuned)} if tuned else {}
    cpu = rounds.ratios({f"vs_{side}_cpu": (side, OURS) for side in rivals}, CPU)
    alone = rounds.ratios(
        {f"vs_{side}_alone": (f"{OURS}_alone", f"{side}_alone") for side in rivals}, ALONE_RATE
    )
    share = {}
    if rounds.rows.get(f"{OURS}_alone"):
        share["library_share"] = rounds.median(f"{OURS}_alone", "library_share")
    return best | found | cpu | alone | share


def _figures(rounds: Rounds) -> Figures:
    return {
        name: value
        for name, value in rounds.figures().items()
        if not name.endswith("library_share")
    }
