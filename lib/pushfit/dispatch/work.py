"""The parts of an exchange that need the data set of the run."""

from __future__ import annotations

from collections import Counter

from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.claims import Claims, Limits
from pushfit.dispatch.grant_queue import GrantQueue
from pushfit.dispatch.lost_leases import LostLeases
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.roster import Roster
from pushfit.feed.source import Delivery, Reference
from pushfit.plan.leases import Leases


class Work:
    """The run's leases, the queue for them, their failures, and the checks of their results.

    results: {id of a lease: its samples}, of those that cannot be delivered yet.
    """

    def __init__(
        self,
        run: str,
        leases: Leases,
        reference: Reference,
        limits: Limits,
        roster: Roster,
        faults: Counter[str],
        bad: BadRecords,
        lines: MeasuredLog,
    ) -> None:
        self.leases = leases
        self.queue = GrantQueue(run, leases)
        self.lost = LostLeases(leases, roster, faults, bad, lines)
        self.claims = Claims(
            leases.plan, reference.counts, reference.listing, limits, partners=leases.partners
        )
        self.results: dict[int, Delivery] = {}
