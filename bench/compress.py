"""What `--compress` gains on a slow link, and that auto loses nothing on a fast one.

    python -m bench compress [--rates 1gbit,100mbit,uncapped] [--rounds N] [--seconds S]
    python -m bench compress --methods [NAME …]    what else was tried: ratios and speeds, one core

Real patches of real photos, made before by the camera task with its defaults, go from generators on
one test host to a consumer on another (network namespaces; root is needed) over a link that `tc
tbf` caps. Modes: none, auto and zstd; elsewhere is zstd by generators that need no core of this
machine for it, see `_capped.py`. They take turns; each measurement has processes of its own. WARM
seconds pass before it counts, in which `auto` makes up its mind.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bench._methods import compare
from lib.errors import BadRecord, DataError
from lib.tasks.base import TRAIN
from lib.tasks.camera import CameraParams, CameraTask
from lib.wire import packing
from tests.faults.hosts import Lab, why_not

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "cameras"
MODES = ("none", "auto", "zstd", "elsewhere")
RATIOS = {"auto": "auto", "zstd": "compress", "elsewhere": "compress_elsewhere"}
PORT, PATIENCE = 12001, 60.0
PATCHES, PER_PHOTO = 48, 4


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench compress", description=__doc__)
    parser.add_argument("--rates", default="1gbit,100mbit,uncapped")
    parser.add_argument("--px", type=int, default=512)
    parser.add_argument("--generators", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warm", type=float, default=5.0)
    parser.add_argument("--links", type=Path, default=PHOTOS, help="folder that holds train/")
    parser.add_argument("--methods", nargs="*", metavar="NAME", help="compare these, or all")
    options = parser.parse_args(args)
    if options.methods is not None:
        return _compare(options)
    if reason := why_not():
        raise DataError(f"bench compress caps links between test hosts: {reason}")
    rates = options.rates.split(",")
    measured: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patches.npy"
        patches = real_patches(options.links, options.px)
        np.save(file, patches)
        for rate in rates:
            for turn in range(options.rounds):
                first = turn % len(MODES)
                for mode in (*MODES[first:], *MODES[:first]):
                    measured[rate, mode].append(_measure(rate, mode, file, options))
    return _result(rates, measured, patches)


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    patches = real_patches(options.links, options.px)
    for name, ratio, packed, unpacked in compare(patches, options.methods):
        ratios[name] = ratio
        figures |= {f"pack_mb_s_{name}": packed, f"unpack_mb_s_{name}": unpacked}
    return {"bench": "compress", "ratios": ratios, "figures": figures}


def real_patches(links: Path, px: int) -> np.ndarray:
    """PATCHES training patches, PER_PHOTO of each of the first photos. Raises DataError."""
    task = CameraTask(CameraParams(patch=px))
    records = task.scan(links).splits[TRAIN]
    found: list[np.ndarray] = []
    for number, record in enumerate(records):
        if len(found) >= PATCHES:
            break
        try:
            photo = task.decode(task.read(links, record), record)
        except BadRecord:
            continue  # smaller than a patch
        for k in range(PER_PHOTO):
            rng = np.random.Generator(np.random.Philox([number, k]))
            found.append(np.asarray(task.sample(photo, record, TRAIN, k, rng)["image"]))
    if not found:
        raise DataError(f"no photo in {links} has a patch of {px} px")
    return np.ascontiguousarray(np.stack((found * PATCHES)[:PATCHES]))


def _measure(rate: str, mode: str, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    with Lab("gpu", "cpu-a") as lab:
        if rate != "uncapped":
            lab["cpu-a"].slow_link(rate, burst="1mb", latency="20ms")
        address = f"tcp://{lab['gpu'].address}:{PORT}"
        module = (sys.executable, "-m", "bench._capped")
        generate = (*lab["cpu-a"].inside, *module, "generate", address, str(file))
        how = "elsewhere" if mode == "elsewhere" else "here"
        mode = "zstd" if mode == "elsewhere" else mode
        times = (str(options.warm), str(options.seconds))
        consume = (*lab["gpu"].inside, *module, "consume", address, mode, str(file), *times)
        peers = [subprocess.Popen((*generate, how)) for _ in range(options.generators)]
        try:
            done = subprocess.run(
                consume, check=True, stdout=subprocess.PIPE,
                timeout=options.warm + options.seconds + PATIENCE,
            )  # fmt: skip
        finally:
            for peer in peers:
                peer.kill()
                peer.wait()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _result(
    rates: list[str], measured: dict[tuple[str, str], list[dict[str, Any]]], patches: np.ndarray
) -> dict[str, Any]:
    ratios: dict[str, float] = {}
    figures = {"ratio_of_the_method": patches.nbytes / len(packing.pack(patches))}
    for rate in rates:
        for mode in MODES:
            each = measured[rate, mode]
            for name in ("patches_per_second", "cpu_share"):
                figures[f"{name}_{mode}_{rate}"] = statistics.median(one[name] for one in each)
        per_second = {
            mode: [one["patches_per_second"] for one in measured[rate, mode]] for mode in MODES
        }
        for mode, name in RATIOS.items():
            pairs = zip(per_second[mode], per_second["none"], strict=True)
            ratios[f"{name}_vs_none_{rate}"] = statistics.median(a / b for a, b in pairs)
    same = len({one["sha256"] for each in measured.values() for one in each}) == 1
    failed = [] if same else ["the modes did not deliver the same samples"]
    return {"bench": "compress", "ratios": ratios, "figures": figures, "failed": failed}
