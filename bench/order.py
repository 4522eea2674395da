"""What exact order and accounting cost, against arrival order and against bare PUSH/PULL.

The sides are those of `bench/_sides.py`, the same payload for all: `ours` (every lease accounted
for and delivered in the plan's order), `arrival` (accounted for, first come, first fed) and `raw`
(nothing on top). Rounds alternate; a ratio is the median over the rounds, for one or two
generators, whichever is worse; `exact_vs_arrival` is the worst of both sizes.

    python -m bench order [--seconds 3] [--rounds 5] [--sizes 0.8MB 8MB] [--peers 1 2]
"""

from __future__ import annotations

from typing import Any

from bench._sides import against, arguments, rounds


def run(args: list[str]) -> dict[str, Any]:
    options = arguments("order", __doc__, args)
    found = rounds(("raw", "arrival", "ours"), options)
    ratios = against(found, "exact_vs_bare", "ours", ("raw",), options)
    arrival = against(found, "exact_vs_arrival", "ours", ("arrival",), options)
    if arrival:
        ratios |= {**arrival, "exact_vs_arrival": min(arrival.values())}
    return found.result(ratios)
