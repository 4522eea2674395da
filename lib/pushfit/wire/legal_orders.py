"""The legal orders of messages: what a generator may send in which state, as one table."""

from __future__ import annotations

from enum import Enum

from pushfit.wire.protocol import Bye, Fail, FromGenerator, Heartbeat, Hello, Ready


class State(Enum):
    """A generator's state as its trainer keeps it."""

    UNKNOWN = "unknown"
    WELCOMED = "welcomed"
    LEASING = "leasing"
    DRAINING = "draining"
    REJECTED = "rejected"


# The messages that a generator may send in each state, and the state that follows. Any other is
# answered with RESET.
LEGAL: dict[tuple[State, type[FromGenerator]], State] = {
    (State.UNKNOWN, Hello): State.WELCOMED,
    (State.WELCOMED, Hello): State.WELCOMED,
    (State.LEASING, Hello): State.WELCOMED,
    (State.DRAINING, Hello): State.WELCOMED,
    (State.REJECTED, Hello): State.WELCOMED,
    (State.WELCOMED, Ready): State.LEASING,
    (State.WELCOMED, Heartbeat): State.WELCOMED,
    (State.WELCOMED, Fail): State.REJECTED,
    (State.LEASING, Heartbeat): State.LEASING,
    (State.LEASING, Fail): State.LEASING,
    (State.DRAINING, Heartbeat): State.DRAINING,
    (State.DRAINING, Fail): State.DRAINING,
    (State.WELCOMED, Bye): State.UNKNOWN,
    (State.LEASING, Bye): State.DRAINING,
}
