"""What went wrong with leases and records, as `Leases` sees it: told to people, counted, listed.

Every line names the generator (host and pid), the lease, and the file as far as it is known.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from lib.errors import DataError, ProtocolError
from lib.plan.leases import Lease, Leases, Lost
from lib.plan.suspects import READ_TRIES
from lib.trainer.badlist import BadList
from lib.trainer.roster import Peer, Roster
from lib.wire import protocol as wire

log = logging.getLogger("pushfit.trainer")


class Losses:
    """Of one run. `faults`: the run's counters by name."""

    def __init__(self, leases: Leases, roster: Roster, faults: Counter[str], bad: BadList) -> None:
        self._leases, self._roster, self._faults, self._bad = leases, roster, faults, bad
        self._hosts: dict[tuple[str, int], str] = {}  # record given up → where it failed

    def bad(self, peer: Peer, lease: Lease, bad: Iterable[wire.Bad]) -> None:
        """`peer` made substitutes for these. Raises DataError when there are too many."""
        assert self._roster.reference is not None
        segment = lease.segment
        for one in bad:
            self._faults["bad_visits"] += 1
            key = segment.split, one.record
            row: dict[str, Any] = {
                "host": self._hosts.get(key, peer.host),
                "path": one.path,
                "reason": self._leases.given_up.get(key, one.reason),
                "split": segment.split,
                "epoch": segment.epoch,
            }
            if one.traceback:
                row["traceback"] = one.traceback
            self._bad.note(row, self._roster.reference.records)

    def failed(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        """`peer` could not make a lease. Raises DataError when nobody can."""
        leases, lease = self._leases, self._leases.find(fail.lease)
        if lease is None:
            return  # made by another meanwhile
        where = f"{peer.label}, lease {lease.id}: {fail.reason}"
        if not fail.retry:
            self._faults["refused"] += 1
            if leases.refused(peer.name, lease.id, fail.fence, now):
                raise DataError(where)
            log.warning("%s; asking another generator", where)
            return
        if not leases.holds(lease, fail.record):
            raise ProtocolError(f"lease {lease.id} has no record {fail.record}")
        self._faults["unreadable"] += 1
        last = leases.unreadable(peer.name, lease.id, fail.fence, fail.record, now)
        log.warning("%s: %s", where, "it is replaced" if last else "trying another generator")
        if last and lease.case:
            why = fail.reason.removeprefix(f"{fail.path}: ")
            why = f"could not be read on any of {READ_TRIES} tries, the last time: {why}"
            self._give_up(lease, fail.record, why, lease.case.unread[fail.record])

    def lost(self, lost: Iterable[Lost]) -> None:
        """These leases go to others; a record that had its third strike is given up."""
        for (name, why), group in groupby(lost, key=lambda one: (one.generator, one.why)):
            peer, taken = self._roster.peers[name], list(group)
            self._faults[f"lease_{why}"] += len(taken)
            log.warning(
                "%s %s, last seen at %s: %s to others",
                *(peer.label, self._how(why), peer.doing or "its first file", _go(taken)),
            )
            for one in taken:
                if one.given_up and one.record is not None and one.lease.case:
                    names = one.lease.case.victims(one.record)
                    reason = f"brought down {len(names)} generators (crashed, killed or stuck)"
                    log.warning("lease %d: %s %s: it is replaced", one.lease.id, peer.doing, reason)
                    self._give_up(one.lease, one.record, reason, names)

    def _how(self, why: str) -> str:
        return f"moved nothing for {self._leases.expiry:g} s" if why == "slow" else "was lost"

    def _give_up(self, lease: Lease, record: int, why: str, names: Iterable[str]) -> None:
        peers = [self._roster.peers[name] for name in names if name in self._roster.peers]
        # Two leases with the record may have their third strike in the same turn.
        self._faults["given_up"] += (lease.segment.split, record) not in self._leases.given_up
        self._hosts[lease.segment.split, record] = ", ".join(sorted({peer.host for peer in peers}))
        self._leases.give_up(lease, record, why)


def _go(lost: list[Lost]) -> str:
    ids = [str(one.lease.id) for one in lost]
    if len(ids) == 1:
        return f"lease {ids[0]} goes"
    return f"leases {', '.join(ids[:3])}{' …' * (len(ids) > 3)} go"
