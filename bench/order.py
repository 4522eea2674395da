"""What exact order and accounting cost, against arrival order and against bare PUSH/PULL.

The sides are those of `bench/_sides.py`, the same payload for all: `ours` (every lease accounted
for and delivered in the plan's order), `arrival` (accounted for, first come, first fed) and `raw`
(nothing on top). Rounds alternate; a ratio is the median over the rounds, for one or two
generators, whichever is worse; `exact_vs_arrival` is the worst of both sizes.

    python -m bench order [--seconds 3] [--rounds 5]
"""

from __future__ import annotations

from typing import Any

from bench._sides import PEERS, SIZES, Rounds, arguments


def run(args: list[str]) -> dict[str, Any]:
    options = arguments("order", args)
    rounds = Rounds(("raw", "arrival", "ours"), options.rounds, options.seconds)
    ratios: dict[str, float] = {}
    for label in SIZES:
        for name, other in (
            (f"exact_vs_bare_{label}", "raw"),
            (f"exact_vs_arrival_{label}", "arrival"),
        ):
            each = {peers: rounds.ratio("ours", other, label, peers) for peers in PEERS}
            ratios |= {f"{name}_x{peers}": ratio for peers, ratio in each.items()}
            ratios[name] = min(each.values())
    ratios["exact_vs_arrival"] = min(ratios[f"exact_vs_arrival_{label}"] for label in SIZES)
    return {"bench": "order", "ratios": ratios, "figures": rounds.figures}
