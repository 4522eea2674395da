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
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import _data
from bench._apart import child, end
from bench._methods import compare
from bench._photos import linked, usable
from bench._turns import Rounds, links_flag, parser, told
from bench._work import Work
from bench.lab.hosts import Lab, why_not
from pushfit.errors import DataError
from pushfit.wire import compression

MODES = ("none", "auto", "zstd", "elsewhere")
RATIOS = {"auto": "auto", "zstd": "compress", "elsewhere": "compress_elsewhere"}
PORT, PATIENCE = 12001, 60.0
PATCHES, PER_PHOTO = 48, 4


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("compress", __doc__, seconds=4.0, rounds=3)
    flags.add_argument("--rates", default="1gbit,100mbit,uncapped")
    flags.add_argument("--px", type=int, default=512)
    flags.add_argument("--generators", type=int, default=2)
    flags.add_argument("--warm", type=float, default=5.0)
    links_flag(flags, "--links", "folder with train/")
    flags.add_argument("--methods", nargs="*", metavar="NAME", help="compare these, or all")
    options = flags.parse_args(args)
    if options.methods is None and (reason := why_not()):
        raise DataError(f"bench compress caps links between test hosts: {reason}")
    patches = real_patches(_data.photos(options.links), options.px)
    if options.methods is not None:
        return _compare(patches, options.methods)
    rounds, digests, rates = Rounds(), set[str](), options.rates.split(",")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patches.npy"
        np.save(file, patches)

        def one(rate: str, mode: str) -> dict[str, Any]:
            row = _measure(rate, mode, file, options)
            digests.add(row.pop("sha256"))
            return row

        for rate in rates:
            sides = {f"{mode}_{rate}": partial(one, rate, mode) for mode in MODES}
            rounds.measure(sides, options.rounds)
    if len(digests) > 1:
        rounds.failed.append("the modes did not deliver the same samples")
    pairs = {
        f"{name}_vs_none_{rate}": (f"{mode}_{rate}", f"none_{rate}")
        for rate in rates
        for mode, name in RATIOS.items()
    }
    figures = {"ratio_of_the_method": patches.nbytes / len(compression.pack(patches))}
    figures |= rounds.figures(("patches_per_second", "cpu_share"), form="{name}_{side}")
    return rounds.result(rounds.ratios(pairs, "patches_per_second"), figures)


def _compare(patches: np.ndarray, names: list[str]) -> dict[str, Any]:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for name, ratio, packed, unpacked in compare(patches, names):
        ratios[name] = ratio
        figures |= {f"pack_mb_s_{name}": packed, f"unpack_mb_s_{name}": unpacked}
    return {"ratios": ratios, "figures": figures, "failed": []}


def real_patches(links: Path, px: int) -> np.ndarray:
    """PATCHES training patches, PER_PHOTO of each photo. Raises DataError."""
    with tempfile.TemporaryDirectory() as folder:
        linked(links, usable(links, px), Path(folder))
        return Work(folder, PATCHES, px, PER_PHOTO).made(range(PATCHES // PER_PHOTO))[0]


def _measure(rate: str, mode: str, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    with Lab("gpu", "cpu-a") as lab:
        if rate != "uncapped":
            lab["cpu-a"].slow_link(rate, burst="1mb", latency="20ms")
        address = f"tcp://{lab['gpu'].address}:{PORT}"
        how = "elsewhere" if mode == "elsewhere" else "here"
        mode = "zstd" if mode == "elsewhere" else mode
        words = ("-m", "bench._capped", "generate", address, file, how)
        peers = [child(*words, inside=lab["cpu-a"].inside) for _ in range(options.generators)]
        try:
            return told(
                "_capped", "consume", address, mode, file, options.warm, options.seconds,
                seconds=options.warm + options.seconds + PATIENCE, inside=lab["gpu"].inside,
            )  # fmt: skip
        finally:
            end(peers)
