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

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from bench._fit_regimes import CORES, REGIMES
from lib.errors import ConfigError, nearest

STEP_SECONDS = 0.005  # from which on a regime counts for `vs_memory`
PATIENCE = 120.0  # seconds beyond a measurement's own

Measured = dict[tuple[str, str, str], list[dict[str, float]]]  # (side, regime, cores) → rounds


def run(args: list[str]) -> dict[str, Any]:
    """{"bench", "ratios", "figures", "failed"}. Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="python -m bench fit", description=__doc__)
    parser.add_argument("--regimes", default=",".join(REGIMES))
    parser.add_argument("--cores", default=",".join(CORES), help="one, all or both")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(args)
    regimes = _chosen("--regimes", options.regimes, tuple(REGIMES))
    cores = _chosen("--cores", options.cores, CORES)
    if find_spec("tensorflow") is None:
        sentence = "fit was not measured: pip install -r requirements-dev.txt brings TensorFlow"
        return {"bench": "fit", "ratios": {}, "figures": {}, "failed": [sentence]}
    measured: Measured = {}
    for turn in range(options.rounds):
        for regime in regimes:
            for which in cores:
                _round(measured, turn, regime, which, options.seconds)
    return {"bench": "fit", **compared(measured)}


def _chosen(flag: str, words: str, known: tuple[str, ...]) -> list[str]:
    for word in words.split(","):
        if word not in known:
            raise ConfigError(f"{flag}: there is no {word!r}{nearest(word, known)}")
    return words.split(",")


def _round(measured: Measured, turn: int, regime: str, cores: str, seconds: float) -> None:
    """Each side once; who comes first changes from turn to turn."""
    sides = ("memory", "fed") if turn % 2 == 0 else ("fed", "memory")
    for side in sides:
        rows = measured.setdefault((side, regime, cores), [])
        rows.append(measure(side, regime, cores, seconds))
    if cores == "all":
        rate = nbytes(regime) / measured["fed", regime, cores][-1]["step_s"]
        rows = measured.setdefault(("beside", regime, cores), [])
        rows.append(measure("beside", regime, cores, seconds, rate))


def nbytes(regime: str) -> int:
    """Of a batch."""
    return REGIMES[regime].batch * REGIMES[regime].patch ** 2 * 3


def measure(
    side: str, regime: str, cores: str, seconds: float, rate: float = 0.0
) -> dict[str, float]:
    """In a process of its own. rate: bytes a second for `beside`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench._fit_sides", side, regime, str(seconds), str(rate)],
        check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + PATIENCE,
        env=os.environ
        | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        | ({"TF_NUM_INTRAOP_THREADS": "1"} if cores == "one" else {}),
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compared(measured: Measured) -> dict[str, dict[str, float]]:
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    counting = []
    for (side, regime, cores), rows in measured.items():
        step, cpu = (statistics.median(row[name] for row in rows) for name in ("step_s", "cpu_s"))
        figures[f"{side}_{regime}_{cores}_ms"] = step * 1000
        figures[f"{side}_{regime}_{cores}_cpu_ms"] = cpu * 1000
        if side == "fed" and regime == "trivial":
            figures[f"ceiling_gb_s_{cores}"] = nbytes(regime) / step / 1e9
        if side == "fed":
            continue
        fed = measured["fed", regime, cores]
        ratio = statistics.median(
            theirs["step_s"] / ours["step_s"] for theirs, ours in zip(rows, fed, strict=True)
        )
        ratios[f"vs_{side}_{regime}_{cores}"] = ratio
        if (side, cores) == ("memory", "one") and step >= STEP_SECONDS:
            counting.append(ratio)
    if counting:
        ratios = {"vs_memory": min(counting), **ratios}
    return {"ratios": ratios, "figures": figures}
