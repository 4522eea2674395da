"""The reports against a lease and its records, and when they are enough. Pure.

- **Unreadable**: a host could not read a record, or had not enough memory, disk or descriptors. The
  host may be at fault, so others try: three times in all, on three hosts if there are as many, else
  by three generators. Then the record counts as bad for the whole run.
- **Lost**: a generator disconnected without a goodbye, or got stuck. Its leases are then suspect
  and granted as **careful**: the generator announces each record, and begins with it only when the
  trainer has heard that, so that the next loss names its record. The first loss, without a name,
  counts for the record of the next one. After three such losses the record counts as bad.
- **Refused**: a generator reports that the lease cannot be made at all. All generators, or two
  identities, have to say so.
- **Bad**: a generator reports that a record cannot be used, and sends a substitute's samples.

One identity (`Member.who`) may appear as any number of generators, be wrong (its disk, its memory)
or lie. So no report counts by the word of one identity while another is at work: the lease goes to
the other identity, which confirms the report or makes the lease (`standing`).

A case is kept with its lease and closed when a result comes. So a record that a disk or a network
fails to deliver once in an epoch never reaches three, and neither do random kills of generators.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from pushfit.plan.members import Member
from pushfit.plan.order import substitutes

READ_TRIES = 3  # failures to read a record before it counts as bad
STRIKES = 3  # generators lost at a record before it counts as bad
TRIES = 3  # tries of one identity at a lease, before another identity gets it
NO_RECORD = -1

Kind = Literal["unreadable", "lost", "refused", "bad"]


class Try(NamedTuple):
    """A failed try.

    record: the record at which it failed.
    bad: the records that it calls bad.
    counts: see `Standings.tried`.
    """

    kind: Kind
    name: str  # the generator
    who: str  # its identity
    host: str  # its host
    record: int = NO_RECORD
    bad: frozenset[int] = frozenset()
    counts: bool = False


class Case(msgspec.Struct, eq=False):
    """All reports against one lease.

    given_up: bad records that generators of this lease have met, and must not touch.
    """

    tries: list[Try] = []
    given_up: set[int] = set()

    def add(self, one: Try) -> list[Try]:
        """Add a failed try. Returns all tries that point to the same cause, this one included."""
        if one.kind == "lost" and one.record == NO_RECORD and self.spent(one.who):
            return []  # such a try proves nothing, however often it happens
        self.tries.append(one)
        if one.kind == "lost":
            return self.victims(one.record) if one.record != NO_RECORD else []
        return self.about(one.kind, one.record)

    def about(self, kind: Kind, record: int = NO_RECORD) -> list[Try]:
        """The failed tries of this kind at `record`."""
        return [each for each in self.tries if each.kind == kind and each.record == record]

    def victims(self, record: int) -> list[Try]:
        """The losses at `record`; the first loss, whose record is unknown, counts as well."""
        return self.about("lost")[:1] + self.about("lost", record)

    def failed(self, name: str) -> bool:
        """Return whether `name` has tried in vain, so that another generator is preferred."""
        return any(each.name == name and each.kind != "lost" for each in self.tries)

    def spent(self, who: str) -> bool:
        """Return whether `who` has had its tries: now it is the turn of another identity."""
        tries = [each for each in self.tries if each.who == who]
        return len(tries) >= TRIES or any(each.kind == "bad" for each in tries)

    def vain(self, member: Member) -> int:
        """A rank of `member` as the next to try; the lowest is preferred.

        2: it has tried in vain; 1: a generator of its host could not read; 0: neither.
        """
        if self.failed(member.name):
            return 2
        return int(any(one.host == member.host for one in self.tries if one.kind == "unreadable"))

    def turn(self, member: Member) -> tuple[bool, int]:
        """A sort key: the lease goes to the member with the lowest one."""
        return self.spent(member.who), self.vain(member)

    def may_back_up(self, member: Member) -> bool:
        """Return whether it may make the lease as a backup: it has failed once at most."""
        kinds = [each.kind for each in self.tries if each.name == member.name]
        return not self.spent(member.who) and kinds in ([], ["unreadable"])

    @property
    def careful(self) -> bool:
        """Return whether each record of the lease has to be announced before it is begun."""
        return any(each.kind == "lost" for each in self.tries)

    def give_up(self, record: int) -> None:
        """Forget the failures at `record`, which counts as bad and is not touched again."""
        self.given_up.add(record)
        over = self.about("unreadable", record)
        if fatal := self.about("lost", record):
            over += fatal + self.about("lost")  # the record of that loss is known now
        self.tries = [each for each in self.tries if each not in over]


def to_avoid(
    given_up: Container[tuple[str, int]], split: str, firsts: Sequence[int], records: Iterable[int]
) -> set[int]:
    """The bad records that visits to `records` of `split` would touch.

    For each visit these are the record and its substitutes (`order.substitutes`), up to the first
    one that is not bad.
    """
    avoid: set[int] = set()
    for record in records:
        for candidate in substitutes(firsts, record):
            if candidate in avoid or (split, candidate) not in given_up:
                break  # it is in `avoid` already, and so are its substitutes
            avoid.add(candidate)
    return avoid
