"""Training from a stored stream: how fast it is read, against plain reading of the same files.

    python -m bench replay [--size 512MiB] [--seconds 1] [--rounds 3] [--kinds 64px 224px]
                           [--parts warm cold fit] [--folder DIR]

- The sides are in `bench/_replay.py`, each measurement in a process of its own, in turns; a ratio
  is the median of the rounds' ratios. `warm`: the files are in the page cache; `cold`: not yet.
- `fit` is `train_zmq.py --from` on the model smallcnn: the share of its time that it waits.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench._apart import printed
from bench._replay_store import KINDS, make
from cfg.fields import parse_size
from lib.errors import PushFitError

PARTS = {"warm": ("plain", "filling", "feed", "again"), "cold": ("plain", "feed")}
PATIENCE = 300.0  # seconds for a measurement beyond its own
FIT_KIND, FIT_EPOCHS = "64px", 3


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("--size", default="512MiB", help="of the samples of each kind")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--parts", nargs="+", default=[*PARTS, "fit"], choices=[*PARTS, "fit"])
    parser.add_argument("--folder", type=Path, help="where to write: the disk that is measured")
    options = parser.parse_args(args)
    result: dict[str, Any] = {"bench": "replay", "ratios": {}, "figures": {}, "failed": []}
    size = parse_size(options.size)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for kind in options.kinds:
            make(folder := Path(name) / kind, kind, size)
            for part in (part for part in options.parts if part in PARTS):
                seconds = options.seconds if part == "warm" else 0.0
                _add(result, f"{kind}_{part}", rounds(folder, kind, part, seconds, options.rounds))
        if "fit" in options.parts:
            make(folder := Path(name) / "fit", FIT_KIND, min(size, parse_size("16MiB")))
            try:
                result["figures"] |= fit(folder, Path(name) / "run")
            except PushFitError as error:
                result["failed"].append(f"fit: {error}")
    return result


def rounds(
    folder: Path, kind: str, part: str, seconds: float, count: int
) -> dict[str, list[dict[str, float]]]:
    """{side: what each of its measurements told}."""
    told = defaultdict(list)
    sides = PARTS[part]
    for turn in range(count):
        first = turn % len(sides)
        for side in (*sides[first:], *sides[:first]):
            words = ("-m", "bench._replay", side, kind, str(folder), str(seconds))
            told[side].append(json.loads(printed(*words, seconds=seconds + PATIENCE)))
    return told


def _add(result: dict[str, Any], name: str, told: dict[str, list[dict[str, float]]]) -> None:
    for side, each in told.items():
        for figure in each[0]:
            median = statistics.median(one[figure] for one in each)
            result["figures"][f"{name}_{side}_{figure}"] = median
        for other in ("plain", "filling"):
            if side in ("feed", "again") and other in told:
                pairs = zip(each, told[other], strict=True)
                ratio = statistics.median(one["gb_s"] / two["gb_s"] for one, two in pairs)
                result["ratios"][f"{name}_{side}_vs_{other}"] = ratio


def fit(store: Path, out: Path) -> dict[str, float]:
    """How much of a training's time its model waits, and its feed."""
    flags = ("--model", "smallcnn", "--epochs", str(FIT_EPOCHS), "--no-tensorboard")
    printed("train_zmq.py", "--from", str(store), "--out", str(out), *flags, seconds=PATIENCE)
    report = json.loads((out / "report.json").read_text())
    advice = report["advice_figures"]
    return {
        "fit_patches_s": report["patches_per_second"],
        "fit_stall_share": report["stall_share"],
        "fit_model_wait_share": advice.get("model_wait_share", 0.0),
        "fit_mixing_share": advice.get("mixing_share", 0.0),
    }
