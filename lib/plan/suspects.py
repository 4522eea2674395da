"""What speaks against a lease and its records, and when that is enough. Pure.

- **Unreadable**: a record that its host could not read, or had no memory, disk or descriptors for.
  That may be the host's trouble, so others try: three times in all, by three generators where there
  are so many. Then the record is given up, for the whole run.
- **Lost**: a generator that went without a goodbye, or got stuck, leaves its leases suspected. From
  then on each is granted **careful**: its maker announces each record, and starts on it when it has
  been heard, so that the next loss names its record. The first loss, which could not, counts for
  the record that the next one names. Three such strikes, and the record is given up as well.
- **Refused**: its maker says that nothing can make it. One generator may be wrong (its disk, its
  memory), so another has to agree where there is one.

A case is kept with its lease and closed when a result comes: a record that a disk or a network
failed once an epoch never adds up to three, and neither do generators that are killed at random.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import msgspec

from lib.plan.order import substitutes

READ_TRIES = 3  # failures to read a record before it counts as bad
STRIKES = 3  # generators that a record may bring down before it counts as bad


class Case(msgspec.Struct, eq=False):
    """All that speaks against one lease. Generators are named as the plan names them."""

    unread: dict[int, list[str]] = {}  # record → who could not read it, a name a try
    unnamed: str | None = None  # the first to be lost with the lease in hand, at a record unknown
    fatal: dict[int, list[str]] = {}  # record → who was lost over it, having announced it
    refused: set[str] = set()
    given_up: set[int] = set()  # records that a maker of this lease has met, and must not touch

    def failed(self, name: str) -> bool:
        """Whether `name` has tried in vain: rather somebody else than again."""
        return name in self.refused or any(name in who for who in self.unread.values())

    @property
    def careful(self) -> bool:
        """Whether the lease is to be made with each record announced."""
        return bool(self.unnamed or self.fatal)

    def unreadable(self, name: str, record: int) -> bool:
        """`name` could not read `record`. True when that was the last try."""
        who = self.unread.setdefault(record, [])
        who.append(name)
        return len(who) >= READ_TRIES

    def lost(self, name: str, record: int | None) -> bool:
        """`name` was lost at `record`, if it had announced one. True at the third strike."""
        if record is None:
            self.unnamed = self.unnamed or name
            return False
        self.fatal.setdefault(record, []).append(name)
        return len(self.victims(record)) >= STRIKES

    def victims(self, record: int) -> list[str]:
        """Who counts as brought down by `record`."""
        first = [self.unnamed] if self.unnamed else []
        return first + self.fatal.get(record, [])

    def give_up(self, record: int) -> None:
        """Never mind who failed at `record` from here on: nobody will touch it again."""
        self.given_up.add(record)
        self.unread.pop(record, None)
        if self.fatal.pop(record, None):
            self.unnamed = None  # its loss is accounted for


def to_avoid(
    given_up: Container[tuple[str, int]], split: str, firsts: Sequence[int], records: Iterable[int]
) -> set[int]:
    """Of the records that visits to `records` of `split` lead to, those that are given up.

    That is, of each visit, the record and those that would stand in for it (`order.substitutes`),
    up to the first that is not given up.
    """
    avoid: set[int] = set()
    for record in records:
        for candidate in substitutes(firsts, record):
            if candidate in avoid or (split, candidate) not in given_up:
                break  # in `avoid`: from there on, the way has been gone
            avoid.add(candidate)
    return avoid
