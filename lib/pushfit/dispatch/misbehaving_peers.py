"""Peers that err, knock in vain or hold too much: counted, named, and in the end disconnected.

Nothing that they send ends the run, fills the memory or the log: whatever is said of them here is
said a few times a minute, and then summed up (`measured`).
"""

from __future__ import annotations

import time
from collections import Counter

from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.errors import ProtocolError
from pushfit.reminder import Reminder
from pushfit.text import one_line
from pushfit.wire.admission import BROKE_OFF
from pushfit.wire.connections import STRIKES, Origin
from pushfit.wire.transports import TrainerTransport

NAMED_STRIKES = 3  # of a connection's errors, how many are told one by one


class MisbehavingPeers:
    """Keeps `faults`: protocol_errors, refused_keys, failed_handshakes, disconnected, impostors."""

    def __init__(self, sockets: TrainerTransport, faults: Counter[str], lines: MeasuredLog) -> None:
        self._sockets, self._faults = sockets, faults
        self._lines = lines
        self._reminder = Reminder()

    def blame(self, origin: Origin, who: str, error: ProtocolError) -> int:
        """`who` sent what the protocol does not allow; one time too many ends the connection.

        Returns how often that was so lately.
        """
        self._faults["protocol_errors"] += 1
        label, strikes = self._sockets.strike(origin)
        if strikes <= NAMED_STRIKES:
            what = f"ignored a message from {one_line(who)} at {label}: {error}"
            self._lines.say("ignored", what)
        if strikes >= STRIKES:
            self._expel(origin, f"{label} after {strikes} such messages, the last: {error}")
        return strikes

    def impostor(self, origin: Origin, name: str) -> None:
        """A peer with one key spoke in the name of a generator that has another."""
        self._faults["impostors"] += 1
        label, _ = self._sockets.strike(origin)
        self._expel(origin, f"{label}: it spoke in the name of {name}, whose key is another")

    def put_out(self, reason: str) -> None:
        """An identity is refused from now on."""
        self._faults["put_out"] += 1
        self._lines.say("put out", f"put out {reason}")

    def turned_away(self, reason: str) -> None:
        """A peer that said hello cannot take part, for `reason`."""
        self._lines.say("rejected", f"rejected {reason}")

    def rejected(self, origin: Origin) -> None:
        """A peer was rejected, which ends a generator; one that comes back for more is none."""
        label, strikes = self._sockets.strike(origin)
        if strikes >= STRIKES:
            self._expel(origin, f"{label}: it was rejected {strikes} times and does not end")

    def _expel(self, origin: Origin, text: str) -> None:
        self._faults["disconnected"] += 1
        self._sockets.refuse(origin)
        self._lines.say("put out", f"disconnected {text}")

    def look(self) -> None:
        """Once a tick: what the sockets saw."""
        for text in self._sockets.look_after():
            self._faults["disconnected"] += 1
            self._lines.say("disconnected", f"disconnected {text}")
        refused, self._sockets.refused = self._sockets.refused, []
        now = time.monotonic()
        for address, why in refused:
            self._faults["failed_handshakes" if why == BROKE_OFF else "refused_keys"] += 1
            host = address.rpartition(":")[0] or address
            host = host if host not in ("", "?") else "an address that is gone already"
            # Of each host and reason once, and then rarely: it knocks again every two seconds, and
            # several generators of a host may be refused for reasons of their own.
            if self._reminder.due(f"{host}: {why}", why, now):
                kind = "broke off" if why == BROKE_OFF else "refused"
                self._lines.say(kind, f"refused a generator at {host}: {why}")
