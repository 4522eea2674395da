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

from functools import partial
from typing import Any

from bench import _augmented, _data
from bench._digits import OURS, REDIS
from bench._turns import Rounds, links_flag, parser, told

PARTS = ("delivered", "made")
PATIENCE = 120.0  # seconds for a measurement beyond its own
CALLED = {"batches_samples_s": "delivered_samples_s", "ours_samples_s": "made_samples_s_a_core"}


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("digits", __doc__, seconds=1.0, rounds=3)
    flags.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    links_flag(flags, "--links", "MNIST's files")
    options = flags.parse_args(args)
    seconds, limit = options.seconds, options.seconds + PATIENCE
    sides = {}
    if "delivered" in options.parts:
        for side in (*OURS, *REDIS):
            sides[side] = partial(told, "_digits", side, seconds, seconds=limit)
    if "made" in options.parts:
        links = _data.digits(options.links)
        for side in _augmented.SIDES:
            sides[side] = partial(told, "_augmented", side, seconds, links, seconds=limit)
    rounds = Rounds()
    rounds.measure(sides, options.rounds)
    pairs = {f"vs_{other}": ("batches", other) for other in REDIS}
    pairs |= {f"vs_{other}": ("ours", other) for other in [*_augmented.SIDES][1:]}
    figures = {CALLED.get(name, name): each for name, each in rounds.figures().items()}
    return rounds.result(rounds.ratios(pairs, "samples_s"), figures)
