"""Which of several runs a generator works for. Pure: chance is an argument.

A generator process is connected to every trainer of its list and works for one of them at a time.
At the others it stands by: they tell it how many generators they have, whether more would find work
(`View`), and when they end. There is no master: each process decides by itself, every few seconds
between two leases (`onward`):

- **Little to do.** If the process was idle for a large share of the time since its last decision,
  it moves to a run with work, with the probability of that share, so that enough processes stay.
- **Nobody there.** If another run wants generators and has none, a process of a run with several
  moves there at once. A process that is alone in its run first stays for a stint (STINT_SECONDS).
  So fewer processes than runs serve all runs by turns.
- **Balance.** If another run that wants more has at least two fewer, the process moves there.

The trainers of one run (`Shards`) train in step, so all wait for the one with the fewest samples.
Among these, processes do not go by numbers of generators, which may be of different speeds, but by
what each trainer has in stock:

- A process moves to the rank with the least if that waits for samples (after a short turn), if its
  own has much more, or if its own has enough.

If a run has enough (its buffer is full, or all its leases are granted), nobody moves to it; if all
have enough, nobody moves at all. Processes decide on the same news at the same time, so a move that
one of k processes should make is made by each with a probability of 1/k. To level two runs with k
and m generators, half of the difference should move, but at most m at a time (one, if m is 0), so
that a run that needs few is not overrun before it can say so. This is right on average, and the
next decision corrects the rest.

The samples of a run do not depend on which generators make them, so sharing never affects a stream.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

STINT_SECONDS = 10.0  # stay of a process that is alone in its run, while another run has nobody
SETTLE_SECONDS = 1.0  # wait for the first trainer to answer, before another is chosen
DECIDE_SECONDS = 2.0  # least time between two decisions, for news of the last moves to arrive
TURN_SECONDS = 4.0  # stay with a rank that has samples, while another rank waits for them
UNEVEN = 0.25  # of a buffer: a rank that has so much more than another can spare a generator
IDLE_SHARE = 0.3  # share of idle time below which a move costs more than it gains


class View(msgspec.Struct, frozen=True):
    """A run as a generator knows it.

    there: its trainer answers.
    working: the number of generators that work for it, this one included.
    wants: one more generator would find work.
    stock: the share of its buffer that is filled with samples.
    hungry: its trainer waits for samples.
    """

    there: bool = False
    working: int = 0
    wants: bool = False
    stock: float = 0.0
    hungry: bool = False


def first(runs: Sequence[View | None], place: int, waited: float, luck: float) -> int | None:
    """The index of the run to begin with; None: wait.

    runs: the runs of the list; None in it: that run is over.
    place: the number of this process in its fleet, so that the processes spread out.
    waited: seconds that it has been without a run.
    luck: a random number in [0, 1).
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
    ranks: Collection[int] = (),
) -> int | None:
    """The index of the run to move to; None: stay.

    here: the index of the present run.
    stayed: seconds in this run.
    idle: share of the time since the last decision that was idle.
    luck: a random number in [0, 1).
    stint: seconds that a process stays if it is alone in its run.
    ranks: the indices of the other trainers of the present run.
    """
    after = [(here + step) % len(runs) for step in range(1, len(runs))]
    others = [(number, run) for number in after if (run := runs[number]) and run.there]
    wanting = [(number, run) for number, run in others if run.wants]
    mine = runs[here] or View()
    ours = max(1, mine.working)
    poorer = _poorer([pair for pair in wanting if pair[0] in ranks], mine, stayed)
    if poorer is not None and luck < 1 / ours:
        return poorer
    wanting = [pair for pair in wanting if pair[0] not in ranks]
    if not wanting:
        return None
    number, there = min(wanting, key=lambda pair: pair[1].working)  # the first of equals
    if idle > IDLE_SHARE:
        return number if luck < idle else None
    if ours == 1:
        return number if there.working == 0 and stayed >= stint else None
    surplus = ours - there.working
    if surplus < 2:
        return None
    moving = min(surplus / 2, max(1, there.working))
    return number if luck < moving / ours else None


def _poorer(ranks: Sequence[tuple[int, View]], mine: View, stayed: float) -> int | None:
    """The index of the rank to which one of the processes should move; None: none should.

    ranks: (index, rank) of those that want generators. mine: the present one.
    """
    if not ranks:
        return None
    number, poorest = min(ranks, key=lambda pair: (not pair[1].hungry, pair[1].stock))
    waits = poorest.hungry and not mine.hungry and stayed >= TURN_SECONDS
    uneven = mine.stock - poorest.stock > UNEVEN
    return number if waits or uneven or not mine.wants else None
