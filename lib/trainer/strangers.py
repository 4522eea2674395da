"""Peers that err, knock in vain or hold too much: counted, named, and in the end disconnected.

Nothing that they send ends the run, fills the memory or the log: whatever is said of them here is
said a few times a minute, and then summed up.
"""

from __future__ import annotations

import logging
import time
from collections import Counter

from lib.errors import ProtocolError
from lib.wire.connections import STRIKES, Origin
from lib.wire.transport import TrainerSockets

NAMED_STRIKES = 3  # of a connection's errors, how many are told one by one
LINES, WINDOW_SECONDS = 30, 60.0  # log lines about strangers in such a time

log = logging.getLogger("pushfit.trainer")


class Strangers:
    """Keeps `faults`: protocol_errors, refused_keys, failed_handshakes, disconnected, impostors."""

    def __init__(self, sockets: TrainerSockets, faults: Counter[str]) -> None:
        self._sockets, self._faults = sockets, faults
        self._window, self._said, self._left_out = 0.0, 0, 0

    def blame(self, origin: Origin, who: str, error: ProtocolError) -> None:
        """`who` sent what the protocol does not allow; one time too many ends the connection."""
        self._faults["protocol_errors"] += 1
        label, strikes = self._sockets.strike(origin)
        if strikes <= NAMED_STRIKES:
            self._say(f"ignored a message from {who} at {label}: {error}")
        if strikes >= STRIKES:
            self._expel(origin, f"{label} after {strikes} such messages, the last: {error}")

    def impostor(self, origin: Origin, name: str) -> None:
        """A peer with one key spoke in the name of a generator that has another."""
        self._faults["impostors"] += 1
        label, _ = self._sockets.strike(origin)
        self._expel(origin, f"{label}: it spoke in the name of {name}, whose key is another")

    def rejected(self, origin: Origin) -> None:
        """A peer was rejected, which ends a generator; one that comes back for more is none."""
        label, strikes = self._sockets.strike(origin)
        if strikes >= STRIKES:
            self._expel(origin, f"{label}: it was rejected {strikes} times and does not end")

    def _expel(self, origin: Origin, text: str) -> None:
        self._faults["disconnected"] += 1
        self._sockets.refuse(origin)
        self._say(f"disconnected {text}")

    def look(self) -> None:
        """Once a tick: what the sockets saw."""
        for text in self._sockets.look_after():
            self._faults["disconnected"] += 1
            self._say(f"disconnected {text}")
        refused, self._sockets.refused = self._sockets.refused, []
        for address in refused:
            if address:
                self._faults["refused_keys"] += 1
                self._say(f"refused a peer at {address}: its key is not admitted")
            else:
                self._faults["failed_handshakes"] += 1
                self._say("a peer broke off while connecting: no key, or not a generator?")

    def _say(self, text: str) -> None:
        now = time.monotonic()
        if now - self._window > WINDOW_SECONDS:
            if self._left_out:
                log.warning("… and %d more of the kind", self._left_out)
            self._window, self._said, self._left_out = now, 0, 0
        self._said += 1
        if self._said <= LINES:
            log.warning("%s", text)
        else:
            self._left_out += 1
