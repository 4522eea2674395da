"""The open connections: how many there are in all and from one address, and their deadlines.

A connection either waits for its peer (to ask, or to read its answer) or has a request under way.
If it waits, it is closed unless the peer acts by a deadline. If there are too many, the one that
has waited longest is closed. So a client that connects and asks at once, such as a probe of
`/healthz`, gets an answer even while others hold all connections.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable

from pushfit.errors import ConfigError
from pushfit.serving.logs import log

TOLD_EVERY = 60.0  # seconds between two log lines about closed connections
OTHER_FILES = 256  # files of a process besides connections and uploads: libraries, the model


def network_of(host: str) -> str:
    """What counts as one address. For IPv6 it is the network of 64 bits, which a host may own."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def allowed(most: int, uploads: int, files: int) -> int:
    """The number of connections of a process: `most`, or what its limit of open files allows.

    uploads: most requests under way, each of which may have a temporary file.
    files: the limit of open files.
    Raises ConfigError if requests under way could hold all connections.
    """
    if most <= uploads:
        raise ConfigError(
            f"--max-connections {most} must be above --queue {uploads}: otherwise requests under "
            "way could hold every connection, and nobody could ask /healthz"
        )
    left = files - uploads - OTHER_FILES
    if left <= uploads:
        raise ConfigError(
            f"this process may open {files} files, too few for --queue {uploads}: raise the limit "
            f"to {2 * uploads + OTHER_FILES + 1} or more (ulimit -Hn), or lower --queue"
        )
    if left < most:
        log.warning("at most %d connections are accepted: %d files may be open", left, files)
    return min(most, left)


class Peer:
    """The other end of one connection.

    abort: closes the connection at once.
    since, until: when the wait for it began, and its deadline, in monotonic seconds; both are
        infinite while a request of it is under way.
    """

    def __init__(self, host: str, abort: Callable[[], None]) -> None:
        self.network, self.abort = network_of(host), abort
        self.since = self.until = math.inf

    def wait(self, seconds: float) -> None:
        """Begin to wait: it must act within `seconds`."""
        now = time.monotonic()
        self.since, self.until = min(self.since, now), now + seconds

    def work(self) -> None:
        """End the wait: a request of it is under way."""
        self.since = self.until = math.inf


class Connections:
    """The connections of a process. most: limit of all; of_one: limit for one address."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most, self._of_one = most, of_one
        self._peers: set[Peer] = set()
        self._count: Counter[str] = Counter()
        self._closed: Counter[str] = Counter()  # by reason, since the last log line
        self._told = -math.inf

    def __len__(self) -> int:
        return len(self._peers)

    def admit(self, peer: Peer) -> bool:
        """Add `peer`; another connection may be closed for it. Returns False: there is no room."""
        if self._count[peer.network] >= self._of_one:
            same = (other for other in self._peers if other.network == peer.network)
            if not self._make_room(same, "too many from one address"):
                return False
        if len(self._peers) >= self._most and not self._make_room(self._peers, "too many"):
            return False
        self._peers.add(peer)
        self._count[peer.network] += 1
        return True

    def leave(self, peer: Peer) -> None:
        """Remove `peer`, which may be removed already."""
        if peer in self._peers:
            self._peers.remove(peer)
            self._count[peer.network] -= 1
            if not self._count[peer.network]:
                del self._count[peer.network]

    def look(self, now: float) -> None:
        """Close the connections that missed their deadline. Call it about every second."""
        for peer in [peer for peer in self._peers if peer.until <= now]:
            self._close(peer, "too slow")
        if self._closed and now - self._told >= TOLD_EVERY:
            log.warning("connections were closed", extra={"fields": {"closed": dict(self._closed)}})
            self._closed.clear()
            self._told = now

    def _make_room(self, among: Iterable[Peer], why: str) -> bool:
        oldest = min(among, key=lambda peer: peer.since, default=None)
        if oldest is None or oldest.since == math.inf:
            self._closed[f"{why}, refused"] += 1
            return False
        self._close(oldest, why)
        return True

    def _close(self, peer: Peer, why: str) -> None:
        self._closed[why] += 1
        self.leave(peer)
        peer.abort()
