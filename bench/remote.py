"""What more cores on other hosts gain, played by generators that wait instead of computing.

    python -m bench remote [--workers 1,4,16,64] [--wait 0.05] [--seconds S] [--rounds N]
                           [--keep FILE] [--plot PNG]

Each worker sleeps --wait seconds a visit and then hands over 16 patches, so this machine can play
many cores. PushFit delivers them in exact order, mixed, each once; the workers of a tf.data
service, which sleep as long, deliver them as they come. Starting workers is not counted. With
--keep, what was measured is added to FILE, and all that is in it counts, so a long comparison can
be made in short pieces.

    ideal_N          samples a second of N generators ÷ (N times those of one)
    service_ideal_N  the same of the tf.data service
    vs_service_N     PushFit ÷ tf.data service
    SIDE_N_…         samples a second; CPU of the process that takes them, and of the whole machine,
                     in cores; seconds for 100,000 samples
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from bench._flow import per
from bench._plot import panels
from bench._turns import Figures, Rounds, chosen, parser, told
from pushfit.host import typed_path

SIDES = ("pushfit", "service")
PATIENCE = 90.0  # seconds for workers to start
FIXED = 100_000  # samples
MIB = 2**20


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("remote", __doc__, seconds=5.0, rounds=3)
    flags.add_argument("--workers", default="1,4,16,64")
    flags.add_argument("--wait", type=float, default=0.05, help="seconds a visit")
    flags.add_argument("--patch", type=int, default=64, help="pixels: 64 is 197 kB a visit")
    flags.add_argument("--buffer", type=int, default=1024, help="MiB, of the trainer")
    flags.add_argument("--sides", default=",".join(SIDES))
    flags.add_argument("--keep", type=typed_path, help="JSON: rounds made before, and now")
    flags.add_argument("--plot", type=typed_path, help="PNG to draw")
    options = flags.parse_args(args)
    rounds = Rounds(options.keep)
    for fleet in (int(word) for word in options.workers.split(",") if word):
        sides = {
            f"{side}_{fleet}": partial(measure, side, fleet, options)
            for side in chosen("--sides", options.sides, SIDES)
        }
        rounds.measure(sides, options.rounds)
    fleets = sorted({int(side.partition("_")[2]) for side in rounds.rows})
    ratios, figures = compared(rounds, fleets)
    if options.plot:
        draw(figures, fleets, options)
    return rounds.result(ratios, figures)


def measure(side: str, fleet: int, options: argparse.Namespace) -> Figures:
    words = (side, fleet, options.wait, options.seconds, options.patch, options.buffer * MIB)
    limit = options.seconds + PATIENCE
    return told("_remote_sides", *words, seconds=limit)


def compared(rounds: Rounds, fleets: list[int]) -> tuple[Figures, Figures]:
    """(ratios, figures)."""
    figures = rounds.figures()
    rates = {side: figures[f"{side}_samples_per_s"] for side in rounds.rows}
    figures |= {
        f"{side}_s_for_{FIXED}": per(FIXED, rate, "samples") for side, rate in rates.items()
    }
    ratios = rounds.ratios(
        {f"vs_service_{fleet}": (f"pushfit_{fleet}", f"service_{fleet}") for fleet in fleets},
        "samples_per_s",
    )
    for side, name in (("pushfit", "ideal"), ("service", "service_ideal")):
        for fleet in fleets[1:]:
            if {f"{side}_{fleet}", f"{side}_{fleets[0]}"} <= rates.keys():
                one = rates[f"{side}_{fleets[0]}"] / fleets[0]
                ratios[f"{name}_{fleet}"] = per(rates[f"{side}_{fleet}"] / fleet, one, "samples")
    return ratios, figures


def draw(figures: Figures, fleets: list[int], options: argparse.Namespace) -> None:
    """Seconds for FIXED samples by the number of workers, and what is ideal."""
    names = {"pushfit": ("PushFit", "o-"), "service": ("tf.data service", "s--")}
    with panels(options.plot, size=(7, 4.5)) as (axes,):
        for side, (label, style) in names.items():
            rows = [(fleet, figures.get(f"{side}_{fleet}_s_for_{FIXED}")) for fleet in fleets]
            if points := [(fleet, seconds) for fleet, seconds in rows if seconds]:
                axes.plot(*zip(*points, strict=True), style, label=label)
        ideal = [FIXED / 16 * options.wait / fleet for fleet in fleets]
        axes.plot(fleets, ideal, ":", color="grey", label="ideal: the waiting alone")
        axes.set_xscale("log", base=2)
        axes.set(
            yscale="log", title="Cores elsewhere, simulated by waiting",
            xlabel=f"workers that wait {options.wait * 1000:.0f} ms a visit of 16 patches",
            ylabel=f"seconds for {FIXED:,} samples",
        )  # fmt: skip
        axes.set_xticks(fleets, [str(fleet) for fleet in fleets])
        axes.legend()
