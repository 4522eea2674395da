"""Peers that send invalid messages, are refused or hold too much: counted, logged, disconnected.

They cannot end the run or fill the memory or the log: each kind of line is logged a few times a
minute, and the rest is summed up (`measured_log`).
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

NAMED_STRIKES = 3  # errors of a connection that are logged one by one


class MisbehavingPeers:
    """Logs and disconnects such peers.

    faults: its counts protocol_errors, refused_keys, failed_handshakes, disconnected, impostors and
        put_out are raised.
    """

    def __init__(self, sockets: TrainerTransport, faults: Counter[str], lines: MeasuredLog) -> None:
        self._sockets, self._faults = sockets, faults
        self._lines = lines
        self._reminder = Reminder()

    def blame(self, origin: Origin, who: str, error: ProtocolError) -> int:
        """Note an invalid message of `who`. STRIKES of them end the connection.

        Returns the number of recent ones.
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
        """Disconnect a peer that used the name of a generator with another key."""
        self._faults["impostors"] += 1
        label, _ = self._sockets.strike(origin)
        self._expel(origin, f"{label}: it spoke in the name of {name}, which has another key")

    def put_out(self, reason: str) -> None:
        """Note that an identity is refused from now on. reason: a sentence that begins with it."""
        self._faults["put_out"] += 1
        self._lines.say("put out", reason)

    def turned_away(self, reason: str) -> None:
        """Note that a peer that said hello was rejected. reason: a sentence that begins with it."""
        self._lines.say("rejected", f"rejected {reason}")

    def rejected(self, origin: Origin) -> None:
        """Note that a message was answered with REJECT.

        A generator ends at the first one. Any other peer is disconnected after STRIKES of them.
        """
        label, strikes = self._sockets.strike(origin)
        if strikes >= STRIKES:
            self._expel(origin, f"{label}: it was rejected {strikes} times and continues to send")

    def _expel(self, origin: Origin, text: str) -> None:
        self._faults["disconnected"] += 1
        self._sockets.refuse(origin)
        self._lines.say("put out", f"disconnected {text}")

    def look(self) -> None:
        """Log what the sockets have noticed; call this once a tick."""
        for text in self._sockets.look_after():
            self._faults["disconnected"] += 1
            self._lines.say("disconnected", f"disconnected {text}")
        refused, self._sockets.refused = self._sockets.refused, []
        now = time.monotonic()
        for address, why in refused:
            self._faults["failed_handshakes" if why == BROKE_OFF else "refused_keys"] += 1
            host = address.rpartition(":")[0] or address
            host = host if host not in ("", "?") else "an unknown address"
            # Each reason is logged once for a host, and then rarely: a generator tries again every
            # two seconds, and the generators of a host may be refused for different reasons.
            if self._reminder.due(f"{host}: {why}", why, now):
                kind = "broke off" if why == BROKE_OFF else "refused"
                self._lines.say(kind, f"refused a generator at {host}: {why}")
