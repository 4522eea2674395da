"""Which of several runs a generator works for. Pure: chance is an argument.

A generator process is connected to every trainer of its list and works for one of them at a time;
at the others it stands by, hears how many work there and whether more would find work (`View`),
and is told when they end. There is no master: each process decides by itself, between two leases,
every few seconds (`onward`):

- **Little to do.** It idled for a good part of the time since it last decided: it goes where there
  is work, with a probability of the share that it idled, so that as many stay as are needed.
- **Nobody there.** Another run wants generators and has none: somebody of a run that has several
  goes at once. Who works alone for its own run stays for a stint (STINT_SECONDS), and goes then: so
  fewer processes than runs serve all of them by turns.
- **Balance.** Another run that wants more has at least two fewer: it goes there.

Where a run has enough (its buffer is full, or all its leases are out), nobody comes to it, and
where all have, nobody moves. Processes decide on the same news at the same time, so what one of k
should do, each does with a probability of 1/k. To level two runs with k and m, half the difference
should go, but no more than m at a time (one, where there is none): who needs little must not be
overrun before it can say so. On average that is right, and the next decision mends the rest.

What a run's samples are does not depend on who makes them, so none of this shows in a stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

STINT_SECONDS = 10.0  # at a run, alone, while another has nobody
SETTLE_SECONDS = 1.0  # for the trainer to begin with to answer, before another is taken
DECIDE_SECONDS = 2.0  # between two decisions, at least: news of the last moves must have come
IDLE_SHARE = 0.3  # of the time without work: below it, leaving gains less than it costs


class View(msgspec.Struct, frozen=True):
    """A run as a generator knows it.

    there: its trainer answers. working: generators at work for it, this one among them where it is
    one. wants: one more would find work.
    """

    there: bool = False
    working: int = 0
    wants: bool = False


def first(runs: Sequence[View | None], place: int, waited: float, luck: float) -> int | None:
    """The index of the run to begin with, or None: wait.

    runs: those of the list; None: over. place: this one's among its fleet, so that they spread.
    waited: seconds since it has had no run. luck: in [0, 1).
    """
    there = [number for number, run in enumerate(runs) if run is not None and run.there]
    wanting = [number for number in there if _wants(runs[number])]
    own = place % len(runs)
    preferred = runs[own]
    if own in wanting or (own in there and not wanting):
        return own
    if preferred is not None and not preferred.there and waited < SETTLE_SECONDS:
        return None
    choice = wanting or there
    return choice[int(luck * len(choice))] if choice else None


def _wants(run: View | None) -> bool:
    return run is not None and run.wants


def onward(
    runs: Sequence[View | None],
    here: int,
    *,
    stayed: float,
    idle: float,
    luck: float,
    stint: float = STINT_SECONDS,
) -> int | None:
    """The index of the run to go to from `here`, or None: stay.

    stayed: seconds here. idle: share of the time since the last decision without work.
    luck: in [0, 1). stint: seconds, for `STINT_SECONDS`.
    """
    after = [(here + step) % len(runs) for step in range(1, len(runs))]
    others = [(number, run) for number in after if (run := runs[number]) and run.there]
    wanting = [(number, run) for number, run in others if run.wants]
    if not wanting:
        return None
    number, there = min(wanting, key=lambda pair: pair[1].working)  # of equals the next in turn
    if idle > IDLE_SHARE:
        return number if luck < idle else None
    mine = runs[here]
    ours = max(1, mine.working if mine is not None else 1)
    if ours == 1:
        return number if there.working == 0 and stayed >= stint else None
    surplus = ours - there.working
    if surplus < 2:
        return None
    moving = min(surplus / 2, max(1, there.working))
    return number if luck < moving / ours else None
