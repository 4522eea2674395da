"""A lease and its possible outcomes. Pure; `leases` decides."""

from __future__ import annotations

from enum import Enum

import msgspec

from pushfit.plan.order import Segment
from pushfit.plan.suspects import Case


class Verdict(Enum):
    """What a result counts as."""

    ACCEPTED = "accepted"
    LATE = "late"  # its fencing token is void: the lease was granted to another generator since
    DUPLICATE = "duplicate"  # the lease already has its result
    UNKNOWN = "unknown"  # there is no such lease
    DOUBTED = "doubted"  # it calls records bad, which another identity has to confirm


class Lease(msgspec.Struct, eq=False):
    """`count` visits of `segment` from visit `start` on. Mutable; belongs to its `Leases`."""

    id: int
    segment: Segment
    start: int
    count: int
    nbytes: int
    fence: int = 0
    grants: dict[int, str] = {}  # {valid fencing token: generator}
    careful: set[int] = set()  # tokens under which each record is announced before it is begun
    granted_at: float = 0.0
    back_at: float = 0.0  # when it last came back unmade
    received: bool = False
    case: Case | None = None  # the reports against it; None: there are none


class Lost(msgspec.Struct, frozen=True):
    """A grant that is not valid any more, and why: ``lost``, ``slow`` or ``left``.

    lost: the generator's connection closed while it worked, by a crash, a kill or the network.
    slow: the generator made no progress for the time of --expiry.
    left: the generator gave the lease back, or began anew.
    record: the record that the generator had announced, if it did.
    given_up: this was the third generator lost at that record, which now counts as bad.
    """

    generator: str
    lease: Lease
    why: str
    record: int | None = None
    given_up: bool = False
