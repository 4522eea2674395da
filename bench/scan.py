"""What many records cost a generator: memory and time, alone and beside others of its host.

    python -m bench scan [--records 1000000] [--rounds 1]

- `alone`: one process, which scans for itself. `shared`: two processes of one supervisor, of which
  one scans; `further` is the other. `small`: one process with 2,000 records, so what it is without
  them.
- `private_mb`: memory that no other process shares, when it works (USS). `peak_mb`: the most that
  was resident, shared or not. `joined_s`: from its start until all of its processes have joined.
- `folders`, `list`, `sized_list`, `new_shards`, `shards`: the scan alone, in a process of its own,
  of the same number of records in each layout. The lists are CSV files, without and with the size
  of each photo; shards have 10,000 photos each, and `new_shards` is without their indexes.
- The trainer is without the data, so the first generator also sends it the list of its files.
- The records are hard links to small JPEGs, 1,000 to a class; a tenth is held out.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from bench import _laid_out
from bench._apart import ROOT
from bench._turns import Figures, Rounds, parser, told
from bench.lab.processes import Script, Starter, until

TASK = ROOT / "bench" / "_listed.py"
A_CLASS = 1000  # records
MOST_LINKS = 50_000  # of one file; ext4 allows 65,000
SMALL = 2 * A_CLASS  # a classifier needs two
PATIENCE = 600.0


def photos(links: Path, records: int) -> Path:
    """`links`, filled with so many photos."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG")
    source = links
    for number in range(records):
        label, within = divmod(number, A_CLASS)
        photo = links / "train" / f"class-{label:05}" / f"photo-{within:06}.jpg"
        if not within:
            photo.parent.mkdir(parents=True)
        if number % MOST_LINKS:
            photo.hardlink_to(source)
        else:
            photo.write_bytes(jpeg.getvalue())
            source = photo
    return links


def memory(process: psutil.Process) -> Figures:
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"private_mb": process.memory_full_info().uss / 1e6, "peak_mb": int(peak) * 1.024e-3}


def joined(trainer: Script, count: int) -> bool:
    return until(lambda: trainer.output.count(" joined: ") >= count, PATIENCE)


def measure(links: Path, processes: int) -> dict[str, Figures]:
    """The figures of each process, the one that scans first."""
    start = Starter(f"bench-scan-{time.monotonic_ns()}")
    try:
        words = ("--task", TASK, "--size", 32, "--epochs", 10**6, "--silence", 60)
        trainer = start("sink_zmq.py", "--null", "--bind", "tcp://127.0.0.1:0", *words)
        port, began = trainer.port, time.perf_counter()
        fleet = start.generator(links, port, "--task", TASK, "--processes", processes)
        assert joined(trainer, processes), trainer.output + fleet.output
        seconds = time.perf_counter() - began
        time.sleep(1.0)  # it works
        at_work = fleet.children() if processes > 1 else [psutil.Process(fleet.pid)]
        found = sorted(map(memory, at_work), key=lambda each: -each["peak_mb"])
        return {
            name: {**figures, "joined_s": seconds}
            for name, figures in zip(("first", "further"), found, strict=False)
        }
    finally:
        start.close()


def laid_out(links: Path, cache: Path, listed: str = _laid_out.NO_LIST) -> Figures:
    """The figures of a scan of `links` in a process of its own.

    cache: the folder for the indexes of tar shards.
    listed: the file in `links` that lists the photos.
    """
    kept = {"XDG_CACHE_HOME": str(cache)}
    return told("_laid_out", links, listed, seconds=PATIENCE, env=kept)


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("scan", __doc__, rounds=1)
    flags.add_argument("--records", type=int, default=1_000_000)
    options = flags.parse_args(args)
    rounds = Rounds()
    with tempfile.TemporaryDirectory(prefix="pushfit-scan-") as made:
        folder = Path(made)
        many = photos(folder / "many", options.records)
        few = photos(folder / "few", min(SMALL, options.records))
        _laid_out.lists(many)
        shards = _laid_out.shards(folder / "shards", options.records, A_CLASS)
        cache = folder / "cache"

        def one(links: Path) -> Figures:
            return measure(links, 1)["first"]

        def scanned(links: Path, listed: str = _laid_out.NO_LIST, new: bool = False) -> Figures:
            if new:
                shutil.rmtree(cache, ignore_errors=True)
            found = laid_out(links, cache, listed)
            found["right"] = found.pop("records") == options.records
            return found

        sides: dict[str, Callable[[], dict[str, Any]]] = {
            "alone": partial(one, many),
            "shared": partial(measure, many, 2),
            "small": partial(one, few),
            "folders": partial(scanned, many),
            "list": partial(scanned, many, _laid_out.LIST),
            "sized_list": partial(scanned, many, _laid_out.SIZED_LIST),
            "new_shards": partial(scanned, shards, new=True),
            "shards": partial(scanned, shards),
        }
        rounds.measure(sides, options.rounds)
    ratio = rounds.ratios({"further_vs_alone": ("further", "alone")}, "private_mb")
    return rounds.result(ratio)
