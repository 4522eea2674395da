"""Small samples: how many arrive, against a Redis list, and how many a core makes.

    python -m bench digits [--seconds 1] [--rounds 3] [--parts delivered made] [--links DIR]

- Delivered: the sides of `bench/_digits.py`, one producer and one consumer each, batches of 1,024
  samples of 28 x 28. `delivered_samples_s` is what reaches `fit`'s side in batches, with a sample a
  visit; `mixed_samples_s` the same with four, mixed; `leases_samples_s` what a consumer of leases
  gets. The ratios compare the batches.
- Made: the sides of `bench/_augmented.py`, on one core.
- Every measurement is a process of its own; the sides take turns; a ratio is the median of the
  rounds' ratios. A side whose library is missing is said to be, and the rest is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from bench import _augmented
from bench._apart import ROOT, printed
from bench._digits import OURS, REDIS
from lib.errors import PushFitError

MNIST = ROOT.parent / "shared" / "data" / "mnist"
PARTS = ("delivered", "made")
PATIENCE = 120.0  # seconds for a measurement beyond its own


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench digits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--links", type=Path, default=MNIST, help="folder of MNIST's files")
    options = parser.parse_args(args)
    seconds, sides = str(options.seconds), dict[str, tuple[str, ...]]()
    if "delivered" in options.parts:
        sides |= {side: ("bench._digits", side, seconds) for side in (*OURS, *REDIS)}
    if "made" in options.parts:
        links = str(options.links)
        sides |= {side: ("bench._augmented", side, seconds, links) for side in _augmented.SIDES}
    rates, failed = rounds(sides, options.rounds)
    figures = {f"{side}_samples_s": statistics.median(each) for side, each in rates.items()}
    if "batches" in rates:
        figures["delivered_samples_s"] = figures.pop("batches_samples_s")
    if "ours" in rates:
        figures["made_samples_s_a_core"] = figures.pop("ours_samples_s")
    ratios = {}
    for ours, others in (("batches", REDIS), ("ours", [*_augmented.SIDES][1:])):
        for other in others:
            if ours in rates and other in rates:
                pairs = zip(rates[ours], rates[other], strict=True)
                ratios[f"vs_{other}"] = statistics.median(one / two for one, two in pairs)
    return {"bench": "digits", "ratios": ratios, "figures": figures, "failed": failed}


def rounds(
    sides: dict[str, tuple[str, ...]], count: int
) -> tuple[dict[str, list[float]], list[str]]:
    """{side: its rate in each round} and what could not be measured."""
    rates: dict[str, list[float]] = {side: [] for side in sides}
    failed: list[str] = []
    for turn in range(count):
        first = turn % len(sides)  # whoever follows whom, nobody gains by it
        for side in [*sides][first:] + [*sides][:first]:
            if side not in rates:
                continue
            try:
                result = measured(*sides[side])
            except PushFitError as error:
                failed.append(f"{side}: {error}")
                del rates[side]
                continue
            if not result.get("right", True):
                failed.append(f"{side}: what came is not what was sent")
            rates[side].append(result["samples_s"])
    return rates, failed


def measured(module: str, *words: str) -> dict[str, Any]:
    """What a measurement in a process of its own prints. Raises PushFitError."""
    said = printed("-m", module, *words, seconds=float(words[1]) + PATIENCE)
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result
