"""The connections to the trainer's sockets: whose they are, how much each holds, how one is ended.

For each connection ZeroMQ limits the size of a frame, and the number of complete messages that
wait. It has no limit for the frames of one message that never ends, and no call that ends a
connection. Both are done here, from outside:

- The kernel counts the bytes that a connection has received. Here the bytes of the messages taken
  from it are counted. If the difference exceeds `limit`, or that of all connections exceeds
  `total`, the connection is ended. When a socket has been emptied, both counts start anew for the
  connections from which messages were taken, so framing and encryption add up to no error.
- A connection that has sent nothing for `mute` seconds since it was opened is ended. ZeroMQ has a
  limit for the handshake, but not for peers that claim a version of its protocol without one.
- A connection is ended by `shutdown(2)` on a duplicate of ZeroMQ's descriptor. The address of the
  peer is compared first, as the number of a closed descriptor is used again.

One thread at a time may use an object of this module. On a system other than Linux the kernel does
not count, and only `strike` and the time limit work.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

STRIKES = 10  # the number of invalid messages after which a connection is ended
FORGIVEN_SECONDS = 60.0  # seconds after an invalid message in which the next one adds to the count
LOOKS = 128  # most connections examined by one `look`, so that a tick stays short
FRAMING = 64  # most bytes of a frame on the wire beyond its content
PENDING = 2**20  # bytes held by a connection below which it does not count towards `total`
NOBODY = -1  # the descriptor of a connection that had closed before it was known

_libc = ctypes.CDLL(None)

log = logging.getLogger("pushfit.trainer")

Address = tuple[str, int]


class Origin(msgspec.Struct, frozen=True):
    """The connection that a message came over.

    descriptor: ZeroMQ's descriptor, or NOBODY.
    user: the name of its key; ``""``: the trainer has no keys.
    data: it is a connection to the data socket.
    """

    descriptor: int
    user: str
    data: bool


def key_name(user: str) -> str:
    """The words for the key called `user` in a message."""
    return f"the key {user}"


class Connection(msgspec.Struct, eq=False):
    """One connection.

    limit: most bytes that it may hold.
    base: bytes received when the count began.
    taken: bytes of the messages that were taken since then.
    struck: monotonic seconds of the last strike.
    since: monotonic seconds of its opening.
    """

    address: Address | None
    limit: int
    user: str = ""
    base: int = 0
    taken: int = 0
    strikes: int = 0
    struck: float = 0.0
    since: float = 0.0
    spoke: bool = False

    @property
    def label(self) -> str:
        host, port = self.address or ("?", 0)
        return f"{host}:{port}" + (f" (key {self.user})" if self.user else "")


class Connections:
    """All connections to one socket.

    limit: most bytes that may wait in one connection.
    total: most bytes that may wait in all of them.
    mute: seconds after which a new connection that has sent nothing is ended.
    """

    def __init__(self, limit: int, total: int, mute: float = math.inf) -> None:
        self.limit, self.total, self.mute = limit, total, mute
        self.arrival = ""  # the address of this host to which the last connection was opened
        self.ended: list[str] = []  # a sentence for each one ended here; the caller empties it
        self._open: dict[int, Connection] = {}
        self._queue: list[int] = []  # descriptors still to be examined in this round
        self._held: dict[int, int] = {}  # {descriptor: bytes held}, of those above PENDING

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, descriptor: int) -> Connection:
        """The connection that `descriptor` belongs to now."""
        with _socket(descriptor) as peer:
            address = _address(peer)
            if peer is not None and address is not None:
                self.arrival = _own(peer)
        connection = self._open.get(descriptor)
        if connection is None or connection.address != address:
            connection = self._open[descriptor] = Connection(
                address, self.limit, since=time.monotonic()
            )
        return connection

    def closed(self, descriptor: int) -> Connection | None:
        """Forget a connection. Returns it; None: it was not known."""
        self._held.pop(descriptor, None)
        return self._open.pop(descriptor, None)

    def took(self, origin: Origin, nbytes: int) -> None:
        """Note that a message of `nbytes`, framing included, was taken from a connection."""
        connection = self._open.get(origin.descriptor)
        if connection is None:
            connection = self.opened(origin.descriptor)
        connection.taken += nbytes
        connection.spoke = True
        connection.user = origin.user

    def strike(self, origin: Origin, now: float) -> tuple[str, int]:
        """Count an invalid message. Returns (the label of its connection, its strikes so far)."""
        connection = self.opened(origin.descriptor)
        connection.user = origin.user
        if now - connection.struck > FORGIVEN_SECONDS:
            connection.strikes = 0
        connection.strikes, connection.struck = connection.strikes + 1, now
        return connection.label, connection.strikes

    def end(self, descriptor: int) -> bool:
        """End a connection if its descriptor still belongs to the same peer. Returns success."""
        connection = self._open.get(descriptor)
        with _socket(descriptor) as peer:
            address = _address(peer)
            if peer is None or connection is None or connection.address != address:
                return False
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                return False  # it has just closed by itself
        return True

    def end_user(self, user: str) -> int:
        """End every connection made with the key called `user`. Returns the number of them."""
        theirs = [number for number, each in self._open.items() if each.user == user]
        return sum(self.end(number) for number in theirs)

    @property
    def users(self) -> set[str]:
        return {each.user for each in self._open.values() if each.user}

    def look(self, *, emptied: bool) -> None:
        """Examine some of the connections, others each time, and end those that hold too much.

        emptied: the socket was empty at some time since the last call, so that every complete
            message has been taken.
        """
        if not self._queue:
            self._queue = list(self._open)
        some, self._queue = self._queue[:LOOKS], self._queue[LOOKS:]
        now = time.monotonic()
        for descriptor in some:
            connection = self._open.get(descriptor)
            if connection is None:
                continue
            received = _received(descriptor)
            if emptied and connection.taken:
                connection.base, connection.taken = received, 0
            held = received - connection.base - connection.taken
            if held > connection.limit:
                self._end_holder(descriptor, held)
            elif not connection.spoke and now - connection.since > self.mute:
                self._end(descriptor, "said nothing since it connected")
            elif held > PENDING:
                self._held[descriptor] = held
            else:
                self._held.pop(descriptor, None)
        while self._held and sum(self._held.values()) > self.total:
            most = max(self._held, key=self._held.__getitem__)
            self._end_holder(most, self._held[most])

    def _end_holder(self, descriptor: int, held: int) -> None:
        self._held.pop(descriptor, None)
        self._end(descriptor, f"had sent {held >> 20:,} MiB without ending its message")

    def _end(self, descriptor: int, why: str) -> None:
        label = self._open[descriptor].label
        if self.end(descriptor):
            self.ended.append(f"{label}: it {why}")
        self.closed(descriptor)  # it is not to be ended again before ZeroMQ notices


@contextmanager
def _socket(descriptor: int) -> Iterator[socket.socket | None]:
    """A socket on a duplicate of ZeroMQ's descriptor: it stays valid if ZeroMQ closes its own."""
    try:
        peer = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        yield None
        return
    with peer:
        yield peer


def _address(peer: socket.socket | None) -> Address | None:
    try:
        if peer is None:
            return None
        host, port, *_ = peer.getpeername()
        return str(host), int(port)
    except (OSError, ValueError):
        return None  # it has closed, or is not a network socket


class _Info(ctypes.Structure):
    """The head of struct tcp_info. received: tcpi_bytes_received, since Linux 4.1."""

    _fields_ = (("before", ctypes.c_char * 128), ("received", ctypes.c_uint64))


_info, _info_size = _Info(), ctypes.c_uint32()


def _received(descriptor: int) -> int:
    """Bytes that the kernel has received for a connection; 0: the system does not count them.

    In a large fleet this is called thousands of times a second, so it takes ZeroMQ's own descriptor
    without a check. If that belongs to another connection by now, the figure is wrong until ZeroMQ
    reports the change. No other connection is ended for it, as `Connections.end` compares.
    """
    if not hasattr(socket, "TCP_INFO"):
        return 0
    _info_size.value = ctypes.sizeof(_info)
    failed = _libc.getsockopt(
        descriptor,
        socket.IPPROTO_TCP,
        socket.TCP_INFO,
        ctypes.byref(_info),
        ctypes.byref(_info_size),
    )
    return 0 if failed or _info_size.value < ctypes.sizeof(_info) else int(_info.received)


def _own(peer: socket.socket) -> str:
    try:
        return str(peer.getsockname()[0])
    except OSError:
        return ""  # it has just closed
