"""One trainer and 1 to 1,000 simulated generators (`bench/_light.py`) on this machine.

    python -m bench scale [--sizes 1,8,64,256,1000] [--rounds 3] [--seconds 3] [--plot FILE]
                          [--parts flow,rate,kill] [--buffer MIB] [--keep FILE]

- flow: all deliver as fast as they can, leases of 0.8 MB, in exact order, to a consumer that hands
  each back at once. `tN_vs_8` is what the largest fleet delivers ÷ what 8 deliver.
- rate: all together deliver RATE leases a second, each generator waiting for as long as its share
  of that takes, as one on a core of its own would. So only the number of generators differs: what
  a lease costs the trainer (CPU), and how long a generator waits from its result to its next grant.
- kill: the largest fleet makes an epoch, half of it is killed by SIGKILL on the way. The audit must
  be clean, and the hash that of 8 generators in calm (`hash_equal`).

The same number of processes (two) plays the generators at every size but 1. Sizes take turns
within a round; medians over rounds. With --keep, the rounds of flow and rate that the file already
has count, too, and the new ones are added to it: so a long measurement can be made in short pieces.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from bench._plot import panels
from bench._scaled import EXPIRY, PATIENCE
from bench._turns import Figures, Rounds, chosen, parser, told
from pushfit.host import typed_path

FEW = 8
RATE = 1000.0  # leases a second
SETUPS: dict[str, dict[str, Any]] = {
    "flow": {"size": 800_000, "lease_bytes": 800_000},
    "rate": {"size": 100_000, "lease_bytes": 100_000, "rate": RATE},
}
PARTS = (*SETUPS, "kill")
AUDITED: dict[str, Any] = {
    "size": 4096,
    "patches": 4,
    "budget": 2**26,
    "lease_bytes": 2**16,
    "expiry": EXPIRY,
}
KILL_SECONDS = 6.0  # that the epoch would take without a kill
FIGURES = {
    "flow": (
        "gb_s", "leases_s", "cpu_s_per_gb", "peers_cpu_share", "peak_mib", "backups", "join_s",
    ),
    "rate": ("us_per_lease", "python_us_per_lease", "grants_s", "grant_p50_ms", "grant_p99_ms"),
}  # fmt: skip


def measure(kind: str, **setup: object) -> dict[str, Any]:
    return told("_scaled", kind, json.dumps(setup), seconds=4 * PATIENCE)


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("scale", __doc__, seconds=3.0, rounds=3)
    flags.add_argument("--sizes", default=f"1,{FEW},64,256,1000", help="of the fleet")
    flags.add_argument("--parts", default=",".join(PARTS))
    flags.add_argument("--buffer", type=int, default=1024, help="MiB, of flow and rate")
    flags.add_argument("--keep", type=typed_path, help="JSON: rounds made before, and now")
    flags.add_argument("--plot", type=typed_path, help="a PNG of cost and latency by size")
    options = flags.parse_args(args)
    sizes = [int(size) for size in options.sizes.split(",")]
    parts = chosen("--parts", options.parts, PARTS)
    most, rounds = max(sizes), Rounds(options.keep)
    common = {"seconds": options.seconds, "budget": options.buffer * 2**20}
    figures: Figures = {}
    for part in (part for part in SETUPS if part in parts):
        setup = {**common, **SETUPS[part]}
        sides = {
            f"{part}_x{size}": partial(measure, "flow", generators=size, **setup) for size in sizes
        }
        rounds.measure(sides, options.rounds)
        figures |= {
            f"{name}_x{size}": rounds.median(f"{part}_x{size}", name)
            for name in FIGURES[part]
            for size in sizes
            if f"{part}_x{size}" in rounds.rows
        }
    ratios: Figures = {}
    if "flow" in parts:
        pair = f"flow_x{most}", f"flow_x{FEW}"
        ratios = rounds.ratios({f"t{most}_vs_{FEW}": pair}, "gb_s")
        peaks = [each for name, each in figures.items() if name.startswith("peak_mib")]
        figures["most_mib_over_budget"] = max(peaks, default=0.0) - options.buffer
    failed: list[str] = []
    if "kill" in parts:
        more, failed = killed(most)
        ratios["hash_equal"] = float(more.pop("hash_equal"))
        figures |= more
    if options.plot:
        plot(options.plot, sizes, figures)
    rounds.failed += failed
    return rounds.result(ratios, figures)


def killed(generators: int) -> tuple[dict[str, float], list[str]]:
    """Half of the fleet killed within an epoch, against 8 generators in calm."""
    setup = {**AUDITED, "visits": int(KILL_SECONDS * RATE)}
    calm = measure("audit", generators=FEW, **setup)
    struck = measure("audit", generators=generators, rate=RATE, kill=True, **setup)
    failed = [
        f"{which}: missing {found['missing']}, duplicate {found['duplicate']}"
        for which, found in (("calm", calm), ("killed", struck))
        if found["missing"] or found["duplicate"]
    ]
    equal = calm["stream_sha256"] == struck["stream_sha256"]
    if not equal:
        failed.append("the stream of the fleet of which half was killed is another")
    faults = struck["faults"]
    figures = {
        "hash_equal": equal,
        "kill_missing": struck["missing"],
        "kill_duplicate": struck["duplicate"],
        "kill_recovered_s": struck["recovered_s"],
        "kill_longest_gap_s": struck["gap_s"],
        "kill_limit_s": EXPIRY + 5.0,
        "kill_generators_lost": faults.get("generators_lost", 0),
        "kill_leases_lost": faults.get("lease_lost", 0) + faults.get("lease_slow", 0),
    }
    return figures, failed


def plot(path: Path, sizes: list[int], figures: Figures) -> None:
    """What is delivered, what a message costs, and how long a grant takes, by fleet size."""
    drawn = (
        (0, "gb_s", ""),
        (1, "us_per_lease", "the whole process"),
        (1, "python_us_per_lease", "its Python threads"),
        (2, "grant_p50_ms", "p50"),
        (2, "grant_p99_ms", "p99"),
    )
    with panels(path, 3, size=(13, 4)) as (left, middle, right):
        for place, name, label in drawn:
            there = [size for size in sizes if f"{name}_x{size}" in figures]
            values = [figures[f"{name}_x{size}"] for size in there]
            (left, middle, right)[place].plot(there, values, "o-", label=label)
        middle.legend()
        right.legend()
        left.set(title="Delivered, 0.8 MB leases, as fast as it goes", ylabel="GB/s")
        middle.set(title=f"Trainer's CPU a lease, at {RATE:,.0f} leases/s", ylabel="µs")
        right.set(title="From a result pushed to the next grant heard", ylabel="ms")
        for axes in (left, middle, right):
            axes.set(xscale="log", xlabel="generators", ylim=(0, None))
            axes.set_xticks(sizes)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.minorticks_off()
