"""What more cores on other hosts bring: generators that wait instead of computing.

    python -m bench remote [--workers 1,4,16,64] [--wait 0.05] [--seconds S] [--rounds N]
                           [--plot PNG]

Each worker sleeps --wait seconds a visit and then hands over 16 patches, so this machine can play
many cores. PushFit delivers them in exact order, mixed, each once; the workers of a tf.data
service, which sleep as long, deliver them as they come. Starting workers is not counted.

    ideal_N          samples a second of N generators ÷ (N times those of one)
    service_ideal_N  the same of the tf.data service
    vs_service_N     PushFit ÷ tf.data service
    SIDE_N_…         samples a second; CPU of the process that takes them, and of the whole machine,
                     in cores; seconds for 100,000 samples
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.job import _installed

SIDES = ("pushfit", "service")
PATIENCE = 90.0  # seconds for workers to start
FIXED = 100_000  # samples
MIB = 2**20


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench remote", description=__doc__)
    parser.add_argument("--workers", default="1,4,16,64")
    parser.add_argument("--wait", type=float, default=0.05, help="seconds a visit")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patch", type=int, default=64, help="pixels: 64 is 197 kB a visit")
    parser.add_argument("--buffer", type=int, default=1024, help="MiB, of the trainer")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--plot", type=Path, help="PNG to draw")
    options = parser.parse_args(args)
    fleets = [int(word) for word in options.workers.split(",")]
    sides, failed = options.sides.split(","), []
    if "service" in sides and not _installed("tensorflow"):
        sides.remove("service")
        failed.append("service was left out: pip install -r bench/requirements.txt")
    measured: dict[tuple[str, int], list[dict[str, float]]] = {}
    for turn in range(options.rounds):
        for fleet in fleets:
            for side in sides if turn % 2 == 0 else reversed(sides):
                each = measured.setdefault((side, fleet), [])
                each.append(measure(side, fleet, options))
    result = compared(measured, fleets)
    if options.plot:
        draw(measured, fleets, options)
    return {"bench": "remote", **result, "failed": failed}


def measure(side: str, fleet: int, options: argparse.Namespace) -> dict[str, float]:
    words = [side, fleet, options.wait, options.seconds, options.patch, options.buffer * MIB]
    done = subprocess.run(
        [sys.executable, "-m", "bench._remote_sides", *map(str, words)],
        check=True, stdout=subprocess.PIPE, timeout=options.seconds + PATIENCE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compared(
    measured: dict[tuple[str, int], list[dict[str, float]]], fleets: list[int]
) -> dict[str, Any]:
    figures: dict[str, float] = {}
    for (side, fleet), rows in measured.items():
        for name in rows[0]:
            middle = statistics.median(row[name] for row in rows)
            figures[f"{side}_{fleet}_{name}"] = middle
        rate = figures[f"{side}_{fleet}_samples_per_s"]
        figures[f"{side}_{fleet}_s_for_{FIXED}"] = FIXED / rate
    ratios: dict[str, float] = {}
    for fleet in fleets:
        for side in SIDES:
            name = ("" if side == "pushfit" else "service_") + f"ideal_{fleet}"
            if fleet != fleets[0] and (side, fleet) in measured:
                pairs = zip(measured[side, fleet], measured[side, fleets[0]], strict=True)
                ratios[name] = statistics.median(
                    many["samples_per_s"] / one["samples_per_s"] / fleet * fleets[0]
                    for many, one in pairs
                )
        if all((side, fleet) in measured for side in SIDES):
            pairs = zip(measured["pushfit", fleet], measured["service", fleet], strict=True)
            ratios[f"vs_service_{fleet}"] = statistics.median(
                ours["samples_per_s"] / theirs["samples_per_s"] for ours, theirs in pairs
            )
    return {"ratios": ratios, "figures": figures}


def draw(
    measured: dict[tuple[str, int], list[dict[str, float]]],
    fleets: list[int],
    options: argparse.Namespace,
) -> None:
    """Seconds for FIXED samples by the number of workers, and what is ideal."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), dpi=120, layout="constrained")
    names = {"pushfit": ("PushFit", "o-"), "service": ("tf.data service", "s--")}
    for side, (label, style) in names.items():
        points = [
            (fleet, FIXED / statistics.median(row["samples_per_s"] for row in rows))
            for fleet in fleets
            if (rows := measured.get((side, fleet)))
        ]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    ideal = [FIXED / 16 * options.wait / fleet for fleet in fleets]
    axes.plot(fleets, ideal, ":", color="grey", label="ideal: the waiting alone")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(fleets, [str(fleet) for fleet in fleets])
    axes.set_xlabel(f"workers that wait {options.wait * 1000:.0f} ms a visit of 16 patches")
    axes.set_ylabel(f"seconds for {FIXED:,} samples")
    axes.set_title("Cores elsewhere, simulated by waiting")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(options.plot)
    pyplot.close(figure)
