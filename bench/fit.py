"""`fit` fed over the wire against `fit` from the same arrays in memory: what the feed costs.

    python -m bench fit [--regimes a,b] [--cores one,all] [--seconds S] [--rounds N]

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
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

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


def run(args: list[str]) -> dict[str, Any]:
    """Raises ConfigError."""
    flags = parser("fit", __doc__, seconds=3.0, rounds=3)
    flags.add_argument("--regimes", default=",".join(REGIMES))
    flags.add_argument("--cores", default=",".join(CORES), help="one, all or both")
    options = flags.parse_args(args)
    regimes = chosen("--regimes", options.regimes, tuple(REGIMES))
    rounds, cases = Rounds(), list[tuple[str, str]]()
    for regime in regimes:
        for cores in chosen("--cores", options.cores, CORES):
            cases.append((regime, cores))
            rounds.measure(_sides(rounds, regime, cores, options.seconds), options.rounds)
    return rounds.result(*compared(rounds, cases))


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
