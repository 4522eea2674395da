"""One trainer and 1 to 1,000 simulated generators (`bench/_light.py`) on this machine.

    python -m bench scale [--sizes 1,8,64,256,1000] [--rounds 3] [--seconds 3] [--plot FILE]
                          [--parts flow,rate,kill]

- flow: all deliver as fast as they can, leases of 0.8 MB, in exact order, to a consumer that hands
  each back at once. `tN_vs_8` is what the largest fleet delivers ÷ what 8 deliver.
- rate: all together deliver RATE leases a second, each generator waiting for as long as its share
  of that takes, as one on a core of its own would. So only the number of generators differs: what
  a lease costs the trainer (CPU), and how long a generator waits from its result to its next grant.
- kill: the largest fleet makes an epoch, half of it is killed by SIGKILL on the way. The audit must
  be clean, and the hash that of 8 generators in calm (`hash_equal`).

The same number of processes (two) plays the generators at every size but 1. Sizes take turns
within a round; medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench._scaled import EXPIRY, PATIENCE

FEW = 8
RATE = 1000.0  # leases a second
LEASE = 800_000  # bytes, where they come as fast as they can
SMALL_LEASE = 100_000  # bytes, where they come at a rate
BUDGET = 2**30
AUDITED = {"size": 4096, "patches": 4, "budget": 2**26, "lease_bytes": 2**16}
KILL_SECONDS = 6.0  # that the epoch would take without a kill

FLOW = ("gb_s", "leases_s", "cpu_s_per_gb", "peers_cpu_share", "peak_mib", "backups", "join_s")
AT_RATE = ("us_per_lease", "python_us_per_lease", "grants_s", "grant_p50_ms", "grant_p99_ms")


def measure(kind: str, **setup: object) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "bench._scaled", kind, json.dumps(setup)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=4 * PATIENCE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Rounds:
    """What each size came to in each round."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}

    def measure(self, turn: int, **setup: object) -> None:
        """A round: each size once, another first each time."""
        first = turn % len(self.sizes)
        for size in (*self.sizes[first:], *self.sizes[:first]):
            self.found[size].append(measure("flow", generators=size, **setup))

    def median(self, size: int, name: str) -> float:
        return statistics.median(each[name] for each in self.found[size])

    def ratio(self, size: int, other: int, name: str) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.found[size], self.found[other], strict=True)
        return statistics.median(one[name] / two[name] for one, two in pairs)

    def figures(self, names: tuple[str, ...]) -> dict[str, float]:
        return {f"{name}_x{size}": self.median(size, name) for name in names for size in self.sizes}


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench scale")
    parser.add_argument("--sizes", default=f"1,{FEW},64,256,1000", help="of the fleet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--parts", default="flow,rate,kill")
    parser.add_argument("--plot", type=Path, help="a PNG of cost and latency by size")
    options = parser.parse_args(args)
    sizes, parts = [int(size) for size in options.sizes.split(",")], options.parts.split(",")
    most, seconds = max(sizes), options.seconds
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    failed: list[str] = []
    flow, rate = Rounds(sizes), Rounds(sizes)
    for turn in range(options.rounds):
        if "flow" in parts:
            flow.measure(turn, seconds=seconds, size=LEASE, lease_bytes=LEASE, budget=BUDGET)
        if "rate" in parts:
            small = {"size": SMALL_LEASE, "lease_bytes": SMALL_LEASE, "budget": BUDGET}
            rate.measure(turn, seconds=seconds, rate=RATE, **small)
    if "flow" in parts:
        figures |= flow.figures(FLOW)
        if FEW in sizes:
            ratios[f"t{most}_vs_{FEW}"] = flow.ratio(most, FEW, "gb_s")
        over = max(flow.median(size, "peak_mib") for size in sizes) - BUDGET / 2**20
        figures["most_mib_over_budget"] = over
    if "rate" in parts:
        figures |= rate.figures(AT_RATE)
    if "kill" in parts:
        more, failed = killed(most)
        ratios["hash_equal"] = float(more.pop("hash_equal"))
        figures |= more
    if options.plot:
        plot(options.plot, flow if "flow" in parts else None, rate if "rate" in parts else None)
    return {"bench": "scale", "ratios": ratios, "figures": figures, "failed": failed}


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


def plot(path: Path, flow: Rounds | None, rate: Rounds | None) -> None:
    """What is delivered, what a message costs, and how long a grant takes, by fleet size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(13, 4))
    if flow is not None:
        left.plot(flow.sizes, [flow.median(size, "gb_s") for size in flow.sizes], "o-")
    left.set(title="Delivered, 0.8 MB leases, as fast as it goes", ylabel="GB/s")
    if rate is not None:
        for name, label in (
            ("us_per_lease", "the whole process"),
            ("python_us_per_lease", "its Python threads"),
        ):
            costs = [rate.median(size, name) for size in rate.sizes]
            middle.plot(rate.sizes, costs, "o-", label=label)
        for name, label in (("grant_p50_ms", "p50"), ("grant_p99_ms", "p99")):
            right.plot(
                rate.sizes, [rate.median(size, name) for size in rate.sizes], "o-", label=label
            )
        middle.legend()
        right.legend()
    middle.set(title=f"Trainer's CPU a lease, at {RATE:,.0f} leases/s", ylabel="µs")
    right.set(title="From a result pushed to the next grant heard", ylabel="ms")
    for axes in (left, middle, right):
        axes.set(xscale="log", xlabel="generators", ylim=(0, None))
        axes.grid(visible=True, alpha=0.3)
        axes.set_xticks((rate or flow or Rounds([])).sizes)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.minorticks_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
