"""What the feed costs `fit`, against arrays in memory, and what an adapter costs a loop.

    python -m bench fit [--parts fit,adapters] [--regimes a,b] [--cores one,all] [--kinds a,b]
                        [--seconds S] [--rounds N]

The fleet can keep up: two generators push ready-made samples through the real Stream, Feed and
`Fit`, with all of train_zmq.py's callbacks. Model, batch and samples are the same on every side.

Without a GPU the model, the fleet and the trainer share the cores. So each is compared twice:

    one   the model computes on one core (TensorFlow's intra-op threads), which stands for the
          device; the rest of the machine is the host. This is what the feed itself costs.
    all   the model computes on every core: what the fleet takes for pushing, too, is the model's
          loss. `beside` is memory with the same bytes a second crossing a connection of this
          machine, which nobody reads: what would be lost without any feed.

    vs_memory               the worst of the regimes whose step takes 5 ms or more, at `one`
    vs_memory_REGIME_CORES  step of `memory` ÷ step of `fed`
    vs_beside_REGIME_all    step of `beside` ÷ step of `fed`
    SIDE_REGIME_CORES_…     milliseconds a step, and CPU milliseconds a step in the process of `fit`
    ceiling_gb_s            of `fed` with the trivial model: nothing but the feed and Keras itself

Part `adapters`: a stored stream of noise in the page cache, which costs as little as a stream can,
read by `pushfit.stream` through each adapter and by a plain loop (bench/_adapter_sides.py). The
consumer only looks at a batch.

    NAME_vs_plain_KIND      batches a second through the adapter ÷ those of the plain loop
    NAME_vs_plain           the worst of the kinds
    NAME_adds_us_KIND       microseconds that the adapter adds to a batch
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench._replay_store import make
from bench._turns import Figures, Rounds, chosen, parser, told


class Regime(NamedTuple):
    patch: int
    batch: int
    filters: int  # of a small convolutional network; 0: it looks at one corner and no further
    stride: int  # of its first layer


REGIMES = {
    "64px": Regime(64, 32, 16, 2),
    "224px": Regime(224, 32, 8, 4),
    "28px": Regime(28, 128, 8, 1),
    "trivial": Regime(256, 32, 0, 1),  # 6 MB batches: the feed's own ceiling
}
CORES = ("one", "all")
STEP_MS = 5.0  # from which on a regime counts for `vs_memory`
PATIENCE = 120.0  # seconds beyond a measurement's own
PARTS = ("fit", "adapters")
ADAPTERS = ("tf", "torch", "jax", "keras")
STORED = {"64px": 128 * 2**20, "224px": 512 * 2**20}  # kind: bytes of an epoch, over 100 batches


def run(args: list[str]) -> dict[str, Any]:
    """Raises ConfigError."""
    flags = parser("fit", __doc__, seconds=3.0, rounds=3)
    flags.add_argument("--parts", default=",".join(PARTS), help="fit, adapters or both")
    flags.add_argument("--regimes", default=",".join(REGIMES), help="of the part fit")
    flags.add_argument("--cores", default=",".join(CORES), help="of the part fit: one, all or both")
    flags.add_argument("--kinds", default=",".join(STORED), help="of the part adapters")
    options = flags.parse_args(args)
    regimes = chosen("--regimes", options.regimes, tuple(REGIMES))
    cores = chosen("--cores", options.cores, CORES)
    kinds = chosen("--kinds", options.kinds, tuple(STORED))
    parts = chosen("--parts", options.parts, PARTS)
    rounds, ratios, figures = Rounds(), Figures(), Figures()
    if "fit" in parts:
        cases = [(regime, each) for regime in regimes for each in cores]
        for case in cases:
            rounds.measure(_sides(rounds, *case, options.seconds), options.rounds)
        ratios, figures = compared(rounds, cases)
    if "adapters" in parts:
        read = adapted(kinds, options)
        rounds.failed += read.failed
        ratios |= adapter_ratios(read, kinds)
        figures |= read.figures() | added(read, kinds)
    return rounds.result(ratios, figures)


def adapted(kinds: list[str], options: argparse.Namespace) -> Rounds:
    """{SIDE_KIND: rows} of the plain loop and of each adapter."""
    read = Rounds()
    env = {"KERAS_BACKEND": "tensorflow"}
    limit = options.seconds + PATIENCE
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            make(Path(folder) / kind, kind, STORED[kind])
            words = (Path(folder) / kind, options.seconds)
            sides = {
                f"{side}_{kind}": partial(
                    told, "_adapter_sides", side, *words, seconds=limit, env=env
                )
                for side in ("plain", *ADAPTERS)
            }
            read.measure(sides, options.rounds)
    return read


def adapter_ratios(read: Rounds, kinds: list[str]) -> Figures:
    ratios = Figures()
    for name in ADAPTERS:
        pairs = {f"{name}_vs_plain_{kind}": (f"{name}_{kind}", f"plain_{kind}") for kind in kinds}
        if each := read.ratios(pairs, "batches_s"):
            ratios |= {f"{name}_vs_plain": min(each.values()), **each}
    return ratios


def added(read: Rounds, kinds: list[str]) -> Figures:
    """{NAME_adds_us_KIND: microseconds}, from the medians."""
    return {
        f"{name}_adds_us_{kind}": 1e6 / read.median(f"{name}_{kind}", "batches_s")
        - 1e6 / read.median(f"plain_{kind}", "batches_s")
        for name in ADAPTERS
        for kind in kinds
        if {f"{name}_{kind}", f"plain_{kind}"} <= read.rows.keys()
    }


def nbytes(regime: str) -> int:
    """Bytes of a batch."""
    return REGIMES[regime].batch * REGIMES[regime].patch ** 2 * 3


def _sides(rounds: Rounds, regime: str, cores: str, seconds: float) -> Any:
    case = f"{regime}_{cores}"

    def beside() -> Figures:
        rate = nbytes(regime) / rounds.latest(f"fed_{case}")["ms"] * 1000
        return measure("beside", regime, cores, seconds, rate)

    sides = {
        f"{side}_{case}": partial(measure, side, regime, cores, seconds)
        for side in ("memory", "fed")
    }
    return sides | ({f"beside_{case}": beside} if cores == "all" else {})


def measure(side: str, regime: str, cores: str, seconds: float, rate: float = 0.0) -> Figures:
    """rate: bytes a second for `beside`."""
    env = {"KERAS_BACKEND": "tensorflow"}
    if cores == "one":
        env["TF_NUM_INTRAOP_THREADS"] = "1"
    return told("_fit_sides", side, regime, seconds, rate, seconds=seconds + PATIENCE, env=env)


def compared(rounds: Rounds, cases: list[tuple[str, str]]) -> tuple[Figures, Figures]:
    """(ratios, figures)."""
    pairs = {
        f"vs_{side}_{regime}_{cores}": (f"{side}_{regime}_{cores}", f"fed_{regime}_{cores}")
        for regime, cores in cases
        for side in ("memory", "beside")
    }
    ratios, figures = rounds.ratios(pairs, "ms"), rounds.figures()
    for regime, cores in cases:
        if regime == "trivial" and (ms := figures.get(f"fed_{regime}_{cores}_ms")):
            figures[f"ceiling_gb_s_{cores}"] = nbytes(regime) / ms / 1e6
    counting = [
        ratios[f"vs_memory_{regime}_one"]
        for regime, cores in cases
        if cores == "one" and figures.get(f"memory_{regime}_one_ms", 0.0) >= STEP_MS
        if f"vs_memory_{regime}_one" in ratios
    ]
    return ({"vs_memory": min(counting)} if counting else {}) | ratios, figures
