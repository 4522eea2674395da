"""What the sockets of both ends have in common: options, limits, and events of connections."""

from __future__ import annotations

import itertools
import select
import struct
import time
from collections.abc import Iterator
from typing import Any

import zmq

from pushfit import host

HANDSHAKE_MS = 10_000  # time for the handshake, after which ZeroMQ closes a connection
CONTROL_HWM = 1_000
DATA_HWM = 16  # most leases queued in a connection; the budget limits memory earlier
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 10, 5, 3  # seconds, seconds, probes

# Plain numbers and the plain getter: pyzmq's enums cost more time than the calls that take them.
NOBLOCK, EVENTS = int(zmq.NOBLOCK), int(zmq.EVENTS)
POLLIN, POLLOUT = int(zmq.POLLIN), int(zmq.POLLOUT)
SNDMORE, SRCFD = int(zmq.SNDMORE), int(zmq.SRCFD)
FAILED = (
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH),
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL),
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL),
)
get: Any = zmq.backend.Socket.get


def keep_receive_buffers() -> None:
    """Keep freed receive buffers for the next lease; the budget limits the memory that is kept."""
    host.keep_freed_memory(2**30)


def options(socket: zmq.Socket[bytes], hwm: int) -> None:
    """Set the options that all sockets share. hwm: most messages queued in a connection."""
    socket.set_hwm(hwm)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)


def heartbeat(socket: zmq.Socket[bytes], silence: float) -> None:
    """Have ZeroMQ's own thread end a connection that is silent for `silence` seconds.

    Each end sets this for itself. (A heartbeat can carry a lifetime for the other end, but that is
    valid only until the next message of any kind.)
    """
    milliseconds = max(300, int(silence * 1000))
    socket.setsockopt(zmq.HEARTBEAT_IVL, milliseconds // 3)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, milliseconds - milliseconds // 3)


_numbers = itertools.count()


class Monitor:
    """The events of a socket's connections, as ZeroMQ's thread reports them."""

    _EVENTS = (
        int(zmq.EVENT_ACCEPTED)
        | int(zmq.EVENT_CONNECTED)
        | int(zmq.EVENT_DISCONNECTED)
        | int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        | int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        | int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        | int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    )

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._watched = socket
        address = f"inproc://monitor-{next(_numbers)}"
        socket.monitor(address, self._EVENTS)
        self._pair = socket.context.socket(zmq.PAIR)
        self._pair.set_hwm(0)  # a full queue would stop ZeroMQ's thread
        self._pair.connect(address)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(event, value) of each event since the last iteration. value: as ZeroMQ defines it."""
        while readable(self._pair):
            yield struct.unpack("=HI", self._pair.recv_multipart(NOBLOCK)[0])

    def close(self) -> None:
        self._watched.monitor(None, 0)
        self._pair.close(linger=0)


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Return whether a message waits. This costs less than an exception where none does."""
    return bool(get(socket, EVENTS) & POLLIN)


class Waiter:
    """Sleeps until something may have happened to one of several ZeroMQ sockets or descriptors.

    It makes one system call. ZeroMQ's own poll makes its list anew each time, sleeps in two steps
    and asks every socket twice, which is noticeable with leases of 0.8 MB. The descriptor of a
    socket signals once that ZeroMQ's thread has something for it. So ask the socket for its events
    (`readable`) before and after each wait; there may be none.
    """

    def __init__(self, *sources: zmq.Socket[bytes] | int) -> None:
        self._poll = select.poll()
        for source in sources:
            number = source if isinstance(source, int) else int(source.getsockopt(zmq.FD))
            self._poll.register(number, select.POLLIN)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait at most `seconds`. Returns (descriptor, events) of each source with an event."""
        return self._poll.poll(max(0.0, seconds * 1000))

    def until(self, socket: zmq.Socket[bytes], event: int, seconds: float) -> bool:
        """Return whether `event` of `socket`, the only source, comes within `seconds`.

        event: POLLIN or POLLOUT.
        """
        if get(socket, EVENTS) & event:
            return True
        if seconds <= 0:
            return False
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.wait(left)
            if get(socket, EVENTS) & event:
                return True
        return False
