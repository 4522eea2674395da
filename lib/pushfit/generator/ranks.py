"""Several trainers of one run, as a generator that is connected to all of them sees them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError, ProtocolError
from pushfit.plan.shards import Shards
from pushfit.wire.protocol import Welcome


class Link(Protocol):
    """A trainer of the list.

    latest: its welcome to its present run; None: nobody answers.
    lost: its last welcome, where nobody answers any more and its run is not over.
    """

    @property
    def trainer(self) -> Endpoint: ...
    @property
    def latest(self) -> Welcome | None: ...
    @property
    def lost(self) -> Welcome | None: ...


def shards_of(link: Link, links: Sequence[Link]) -> Shards:
    """The shards of the trainer at `link`, which has welcomed this generator.

    links: all trainers of the list. If they are as many as the run has, they are its trainers, and
    must agree.
    Raises ConfigError where they do not, ProtocolError for numbers that cannot be.
    """
    welcome = link.latest
    assert welcome is not None
    shards = _shards(welcome)
    if shards.several and len(links) == shards.world:
        for other in links:
            if other is link or other.latest is None:
                continue
            if wrong := _differs(welcome, other.latest):
                raise ConfigError(f"{link.trainer} and {other.trainer}: {wrong}")
    return shards


def beside(here: int, links: Sequence[Link]) -> list[int]:
    """The indices in `links` of the other trainers of the run of trainer number `here`."""
    mine = links[here].latest
    if mine is None or mine.shards[1] == 1:
        return []
    found = []
    for number, link in enumerate(links):
        if number != here and link.latest is not None:
            with suppress(ProtocolError):  # it is told when it is that trainer's turn
                if not _differs(mine, link.latest):
                    found.append(number)
    return found


def gone(here: Link, links: Sequence[Link]) -> tuple[int, ...]:
    """The ranks of the run of the trainer at `here` that do not answer any more."""
    mine = here.latest
    if mine is None or mine.shards[1] == 1:
        return ()
    found = set()
    for link in links:
        if link is not here and link.lost is not None:
            with suppress(ProtocolError):
                if not _differs(mine, link.lost):
                    found.add(link.lost.shards[2])
    return tuple(sorted(found))


def _shards(welcome: Welcome) -> Shards:
    count, world, rank = welcome.shards
    if count % world or rank >= world:
        raise ProtocolError(f"it says that it is trainer {rank} of {world}, for {count} shards")
    return Shards(count, world, rank)


def _differs(one: Welcome, other: Welcome) -> str:
    """Why two trainers of a list cannot be of one run; ``""``: they can."""
    ours, theirs = _shards(one), _shards(other)
    if (ours.count, ours.world) != (theirs.count, theirs.world):
        return (
            f"one is of a run with --shards {ours.count} --world {ours.world}, the other of one "
            f"with --shards {theirs.count} --world {theirs.world}: give all trainers the same"
        )
    if ours.rank == theirs.rank:
        return (
            f"both say that they are rank {ours.rank} of {ours.world}: give each trainer its own "
            "number with --rank"
        )
    then = {"task": one.task, **one.params, **one.shape}
    now = {"task": other.task, **other.params, **other.shape}
    for name in then:
        if then[name] != now.get(name):
            return (
                f"{name} is {then[name]} for rank {ours.rank} and {now.get(name)} for rank "
                f"{theirs.rank}: all trainers of a run need the same settings"
            )
    if one.source != other.source:
        return (
            f"the task {one.task} is other code for rank {ours.rank} than for rank {theirs.rank}: "
            "copy its files from one to the other"
        )
    return ""
