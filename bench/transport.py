"""What leases, exact order and accounting cost, against bare pyzmq.

The sides are those of `bench/_sides.py`: `ours` against `raw`, and against `raw_kept`, so that what
the protocol costs can be told from what the allocator setting gains. `batched` adds what only ours
does: mixing and copying into batches; `encrypted` has keys. Rounds alternate; the ratio of a size
is the median over the rounds, for one or two generators, whichever is worse.

    python -m bench transport [--seconds 3] [--rounds 5]
"""

from __future__ import annotations

from typing import Any

from bench._sides import PEERS, SIZES, Rounds, arguments


def run(args: list[str]) -> dict[str, Any]:
    options = arguments("transport", args)
    rounds = Rounds(
        ("raw", "raw_kept", "ours", "batched", "encrypted"), options.rounds, options.seconds
    )
    ratios: dict[str, float] = {}
    for label in SIZES:
        for bare in ("raw", "raw_kept"):
            each = {peers: rounds.ratio("ours", bare, label, peers) for peers in PEERS}
            ratios |= {f"vs_{bare}_{label}_x{peers}": ratio for peers, ratio in each.items()}
            ratios[f"vs_{bare}_{label}"] = min(each.values())
        for peers in PEERS:
            name = f"encrypted_vs_ours_{label}_x{peers}"
            ratios[name] = rounds.ratio("encrypted", "ours", label, peers)
    return {"bench": "transport", "ratios": ratios, "figures": rounds.figures}
