"""The connections to the trainer's sockets: who is behind each, what it holds, how to end it.

ZeroMQ bounds the size of a frame and the number of whole messages that wait, a connection. It does
not bound the frames of one message that never ends, nor does it let its user end a connection.
Both are done here, from outside:

- The kernel counts the bytes that a connection has received, this counts those of the messages
  taken from it. Where more than `limit` lies between the two, or more than `total` over all
  connections, the connection is ended. Whenever a socket has been emptied, the count starts anew
  for the connections that something was taken from: framing and encryption make no drift.
- A connection that said nothing for `mute` seconds after it was opened is ended: ZeroMQ's limit for
  the handshake does not hold for peers that pretend to be older than the handshake.
- Ending a connection is `shutdown(2)` on a duplicate of ZeroMQ's descriptor, once the peer behind
  it has been found to be the one meant: descriptors are used again.

Not for several threads. Where the kernel does not count (not Linux), only the strikes are left.
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

STRIKES = 10  # messages that the protocol does not allow, before a connection is ended, …
FORGIVEN_SECONDS = 60.0  # … unless so much time lies between two of them
LOOKS = 128  # connections looked at a turn: a tick stays short however many there are
FRAMING = 64  # bytes that a frame weighs on the wire beyond its content, at most
PENDING = 2**20  # below it, what a connection holds is not worth a thought
NOBODY = -1  # descriptor of a connection that was gone before it was known

_libc = ctypes.CDLL(None)

log = logging.getLogger("pushfit.trainer")

Address = tuple[str, int]


class Origin(msgspec.Struct, frozen=True):
    """Where a message came from. descriptor: ZeroMQ's, or NOBODY; user: its key's name, or ""."""

    descriptor: int
    user: str
    data: bool


def key_name(user: str) -> str:
    """How people are told of a key."""
    return f"the key {user}"


class Connection(msgspec.Struct, eq=False):
    """One connection. base, taken: bytes received when the count began, bytes taken since."""

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
    """All connections to one socket. limit, total: bytes that may wait in one, in all of them."""

    def __init__(self, limit: int, total: int, mute: float = math.inf) -> None:
        self.limit, self.total, self.mute = limit, total, mute
        self.arrival = ""  # our own address, of the connection opened last
        self.ended: list[str] = []  # who was ended here, and why; the caller empties it
        self._open: dict[int, Connection] = {}
        self._queue: list[int] = []  # still to be looked at in this round
        self._held: dict[int, int] = {}  # what those that hold much were found to hold

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, descriptor: int) -> Connection:
        """The connection of the peer that is behind `descriptor` now."""
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
        """Forget the connection; returns what was known of it."""
        self._held.pop(descriptor, None)
        return self._open.pop(descriptor, None)

    def took(self, origin: Origin, nbytes: int) -> None:
        """A message of `nbytes`, framing included, was taken."""
        connection = self._open.get(origin.descriptor)
        if connection is None:
            connection = self.opened(origin.descriptor)
        connection.taken += nbytes
        connection.spoke = True
        connection.user = origin.user

    def strike(self, origin: Origin, now: float) -> tuple[str, int]:
        """Count a message that the protocol does not allow. Returns (whose it was, how many)."""
        connection = self.opened(origin.descriptor)
        connection.user = origin.user
        if now - connection.struck > FORGIVEN_SECONDS:
            connection.strikes = 0
        connection.strikes, connection.struck = connection.strikes + 1, now
        return connection.label, connection.strikes

    def end(self, descriptor: int) -> bool:
        """End a connection, if its descriptor still is that of the peer that was meant."""
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
        """End every connection made with the key called `user`; returns how many."""
        theirs = [number for number, each in self._open.items() if each.user == user]
        return sum(self.end(number) for number in theirs)

    @property
    def users(self) -> set[str]:
        return {each.user for each in self._open.values() if each.user}

    def look(self, *, emptied: bool) -> None:
        """See what connections hold, some of them each time; end those that hold too much.

        emptied: the socket was found empty since the last look, so all that was whole is taken.
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
        self.closed(descriptor)  # once is enough, however long ZeroMQ takes to see it


@contextmanager
def _socket(descriptor: int) -> Iterator[socket.socket | None]:
    """A socket of our own on ZeroMQ's descriptor, so that it stays the same one meanwhile."""
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
        return None  # closed, or not a socket of the network


class _Info(ctypes.Structure):
    """The head of struct tcp_info, as far as `received`: tcpi_bytes_received, since Linux 4.1."""

    _fields_ = (("before", ctypes.c_char * 128), ("received", ctypes.c_uint64))


_info, _info_size = _Info(), ctypes.c_uint32()


def _received(descriptor: int) -> int:
    """Bytes that the kernel has received for this connection; 0 where it does not say.

    Asked of ZeroMQ's own descriptor, thousands of times a second in a large fleet: should that be
    another connection's by now, a figure is wrong until the news of it comes, and nothing is ended
    for it (`Connections.end` looks whose it is).
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
