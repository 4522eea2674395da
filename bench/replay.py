"""Training from a stored stream: how fast it is read, against plain reading of the same files.

    python -m bench replay [--size 512MiB] [--seconds 1] [--rounds 3] [--kinds 64px 224px]
                           [--parts warm cold fit] [--folder DIR]

- The sides are in `bench/_replay.py`, each measurement in a process of its own, in turns; a ratio
  is the median of the rounds' ratios. `warm`: the files are in the page cache; `cold`: not yet.
- `fit` is `train_zmq.py --from` on the model smallcnn: the share of its time that it waits.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench._apart import printed
from bench._replay_store import KINDS, make
from bench._turns import Figures, Rounds, parser, told
from pushfit.errors import PushFitError
from pushfit.host import typed_path
from pushfit.settings.fields import parse_size

PARTS = {"warm": ("plain", "filling", "feed", "again"), "cold": ("plain", "feed")}
PATIENCE = 300.0  # seconds for a measurement beyond its own
FIT_KIND, FIT_EPOCHS = "64px", 3


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("replay", __doc__, seconds=1.0, rounds=3)
    flags.add_argument("--size", default="512MiB", help="of the samples of each kind")
    flags.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    flags.add_argument("--parts", nargs="+", default=[*PARTS, "fit"], choices=[*PARTS, "fit"])
    flags.add_argument("--folder", type=typed_path, help="where to write: that disk is measured")
    options = flags.parse_args(args)
    size, rounds, fitted = parse_size(options.size), Rounds(), dict[str, float]()
    pairs: dict[str, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for kind in options.kinds:
            make(folder := Path(name) / kind, kind, size)
            for part in (part for part in options.parts if part in PARTS):
                seconds, case = options.seconds if part == "warm" else 0.0, f"{kind}_{part}"
                sides = {}
                for side in PARTS[part]:
                    words = ("_replay", side, kind, folder, seconds)
                    sides[f"{case}_{side}"] = partial(told, *words, seconds=seconds + PATIENCE)
                rounds.measure(sides, options.rounds)
                for side in ("feed", "again"):
                    for other in ("plain", "filling"):
                        key = f"{case}_{side}_vs_{other}"
                        pairs[key] = (f"{case}_{side}", f"{case}_{other}")
        if "fit" in options.parts:
            make(folder := Path(name) / "fit", FIT_KIND, min(size, parse_size("16MiB")))
            try:
                fitted = fit(folder, Path(name) / "run")
            except PushFitError as error:
                rounds.failed.append(f"fit: {error}")
    return rounds.result(rounds.ratios(pairs, "gb_s"), rounds.figures() | fitted)


def fit(store: Path, out: Path) -> Figures:
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
