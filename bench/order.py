"""What exact order and accounting cost, against arrival order and against bare PUSH/PULL.

The sides are those of `bench/_sides.py`, the same payload for all: `ours` (every lease accounted
for and delivered in the plan's order), `arrival` (accounted for, first come, first fed) and `raw`
(nothing on top). Rounds alternate; a ratio is the median over the rounds, for one or two
generators, whichever is worse; `exact_vs_arrival` is the worst of both sizes.

    python -m bench order [--seconds 3] [--rounds 5] [--sizes 0.8MB 8MB] [--peers 1 2]
"""

from __future__ import annotations

from typing import Any

from bench._sides import Rounds, arguments


def run(args: list[str]) -> dict[str, Any]:
    options = arguments("order", args)
    rounds = Rounds(("raw", "arrival", "ours"), options)
    ratios = rounds.against("exact_vs_bare", "ours", ("raw",))
    ratios |= rounds.against("exact_vs_arrival", "ours", ("arrival",))
    ratios["exact_vs_arrival"] = min(ratios[f"exact_vs_arrival_{label}"] for label in rounds.sizes)
    return {"bench": "order", "ratios": ratios, "figures": rounds.figures}
