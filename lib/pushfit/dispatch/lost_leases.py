"""Failures of leases and records: each is logged, counted, and listed if the record is bad.

Every line names the generator (host and pid), the lease, and the file if it is known.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.roster import Peer, Roster
from pushfit.errors import DataError, ProtocolError
from pushfit.plan.leases import Lease, Leases, Lost
from pushfit.plan.suspects import Try
from pushfit.wire import protocol as wire

log = logging.getLogger("pushfit.trainer")


class LostLeases:
    """The failures of one run. faults: its counts by name."""

    def __init__(
        self,
        leases: Leases,
        roster: Roster,
        faults: Counter[str],
        bad: BadRecords,
        lines: MeasuredLog,
    ) -> None:
        self._leases, self._roster, self._faults, self._bad = leases, roster, faults, bad
        self._lines = lines
        self._partners: set[tuple[str, int, int]] = set()  # split, record and epoch of bad ones
        # {(split, record) that was given up: the hosts on which it failed}
        self._hosts: dict[tuple[str, int], str] = {}

    def bad(self, peer: Peer, lease: Lease, bad: Iterable[wire.Bad]) -> None:
        """Note visits not drawn as planned by `peer`. Raises DataError if they are too many."""
        assert self._roster.reference is not None
        segment = lease.segment
        for one in bad:
            key = segment.split, one.record
            row: dict[str, Any] = {
                "host": self._hosts.get(key, peer.host),
                "path": one.path,
                "reason": self._leases.given_up.get(key, one.reason),
                "split": segment.split,
                "epoch": segment.epoch + 1,
            }
            if one.traceback:
                row["traceback"] = one.traceback
            if one.redrawn:
                self._faults["redrawn_samples"] += one.redrawn
                row["redrawn"] = one.redrawn
                self._bad.note_redrawn(row, segment.visits * segment.patches)
            else:
                if not one.partner:
                    self._faults["bad_visits"] += 1
                elif (partner := (*key, segment.epoch)) not in self._partners:
                    self._partners.add(partner)  # once an epoch: how often follows from the leases
                    self._faults["bad_partners"] += 1
                self._bad.note(row, self._roster.reference.records)

    def untold(self, lease: Lease | None, bad: Iterable[wire.Bad]) -> set[int]:
        """The records of `bad`, in a result of `lease`, that were not known to be bad."""
        if lease is None:
            return set()
        split = lease.segment.split
        return {one.record for one in bad if one.redrawn or not self._bad.has(split, one.path)}

    def failed(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        """Note that `peer` could not make a lease. Raises DataError if no generator can."""
        leases, lease = self._leases, self._leases.find(fail.lease)
        if lease is None:
            return  # another generator has made it
        where = f"{peer.label}, lease {lease.id}: {fail.reason}"
        if not fail.retry:
            self._faults["refused"] += 1
            if leases.refused(peer.name, lease.id, fail.fence, now):
                raise DataError(where)
            self._lines.say("refused", f"{where}; asking another generator", user=peer.user)
            return
        if not leases.holds(lease, fail.record):
            raise ProtocolError(f"lease {lease.id} has no record {fail.record}")
        self._faults["unreadable"] += 1
        last = leases.unreadable(peer.name, lease.id, fail.fence, fail.record, now)
        then = "it is replaced" if last else "trying another generator"
        self._lines.say("unreadable", f"{where}: {then}", user=peer.user)
        if last and lease.case:
            why = fail.reason.removeprefix(f"{fail.path}: ")
            tries = lease.case.about("unreadable", fail.record)
            why = f"could not be read on any of {len(tries)} tries, the last time: {why}"
            self._give_up(lease, fail.record, why, tries)

    def lost(self, lost: Iterable[Lost]) -> None:
        """Note that leases were lost and go to others. Gives up a record after its third loss."""
        for (name, why), group in groupby(lost, key=lambda one: (one.generator, one.why)):
            peer, taken = self._roster.peers[name], list(group)
            self._faults[f"lease_{why}"] += len(taken)
            at = peer.doing or "its first file"
            what = f"{peer.label} {self._how(why)}, last seen at {at}: {_go(taken)} to others"
            self._lines.say(f"lease {why}", what, user=peer.user)
            for one in taken:
                if one.given_up and one.record is not None and one.lease.case:
                    victims = one.lease.case.victims(one.record)
                    reason = f"brought down {len(victims)} generators (crashed, killed or stuck)"
                    log.warning("lease %d: %s %s: it is replaced", one.lease.id, peer.doing, reason)
                    self._give_up(one.lease, one.record, reason, victims)

    def _how(self, why: str) -> str:
        return f"made no progress for {self._leases.expiry:g} s" if why == "slow" else "was lost"

    def _give_up(self, lease: Lease, record: int, why: str, tries: Iterable[Try]) -> None:
        # Two leases with the record may be lost for the third time in the same turn.
        self._faults["given_up"] += (lease.segment.split, record) not in self._leases.given_up
        self._hosts[lease.segment.split, record] = ", ".join(sorted({one.host for one in tries}))
        self._leases.give_up(lease, record, why)


def _go(lost: list[Lost]) -> str:
    ids = [str(one.lease.id) for one in lost]
    if len(ids) == 1:
        return f"lease {ids[0]} goes"
    return f"leases {', '.join(ids[:3])}{' …' * (len(ids) > 3)} go"
