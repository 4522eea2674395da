"""Faults drawn from a seed: what strikes, when, whom, for how long. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple

# How often each kind stands in a bag. Bags are emptied one after another, each in an order of its
# own: a minute has nearly all kinds, ten minutes have each several times.
PROCESS = {
    "kill": 4, "kill_host": 2, "nobody": 1, "stop": 3, "slow": 2, "join": 2, "leave": 2,
    "stop_trainer": 1, "garbage": 2, "data": 2,
    "lie": 2,
}  # fmt: skip
# What needs hosts: of one host, a trainer believes that a photo which it cannot read is lost.
NETWORK = {"cut": 2, "partition": 2, "loss": 2, "slow_link": 2}
FILES = {"hang_file": 2, "replace_files": 2, "read_error_slow_host": 2}
GAP = (2.0, 5.5)  # seconds between two faults: 160 in ten minutes


class Event(NamedTuple):
    """at: seconds after the start; choice: in [0, 1), picks the victim among those there then."""

    at: float
    kind: str
    choice: float
    lasts: float


def draw(seed: int, seconds: float, expiry: float, apart: bool, hangs: bool = True) -> list[Event]:
    """The faults of a run. What is stopped, or hangs, stays so for longer than `expiry`.

    apart: the generators are on several hosts; hangs: files can be made to hang.
    """
    rng = random.Random(seed)
    often = {**PROCESS, **NETWORK, **FILES} if apart else PROCESS
    kinds = [kind for kind, n in often.items() for _ in range(n) if hangs or kind != "hang_file"]
    events: list[Event] = []
    bag: list[str] = []
    at = rng.uniform(*GAP)
    while at < seconds:
        if not bag:
            bag = rng.sample(kinds, len(kinds))
        kind = bag.pop()
        lasts = {
            "stop": expiry + rng.uniform(1.0, 3.0),
            "hang_file": expiry + rng.uniform(1.0, 3.0),
            "stop_trainer": rng.uniform(2.0, 4.0),
            "nobody": rng.uniform(1.0, 3.0),
            "cut": rng.uniform(1.0, expiry + 1.0),
            "partition": rng.uniform(1.0, expiry + 1.0),
            "garbage": 1.0,
        }.get(kind, rng.uniform(4.0, 8.0))
        events.append(Event(at, kind, rng.random(), lasts))
        at += rng.uniform(*GAP)
    return events
