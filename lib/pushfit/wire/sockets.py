"""What the sockets of both ends have in common: options, limits, and news of their connections."""

from __future__ import annotations

import ctypes
import itertools
import select
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import zmq

HANDSHAKE_MS = 10_000  # a peer that connects and says nothing is dropped after that
CONTROL_HWM = 1_000
DATA_HWM = 16  # leases queued a connection; the budget bounds memory long before
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 10, 5, 3  # seconds, seconds, probes

# pyzmq's enums cost more than the calls they are given to: plain numbers, and the plain getter.
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
    """Have glibc keep freed receive buffers for the next lease; elsewhere nothing happens.

    By default it returns them to the kernel, and every lease is received into pages that have to be
    mapped and zeroed again: a third of the throughput. The budget bounds what is kept.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD: its largest value
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def options(socket: zmq.Socket[bytes], hwm: int) -> None:
    socket.set_hwm(hwm)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)


def heartbeat(socket: zmq.Socket[bytes], silence: float) -> None:
    """Have ZeroMQ's own thread end a connection that is silent for `silence` seconds.

    Either end does so for itself. (The lifetime that a heartbeat can carry for the other end counts
    only until the next message, whichever comes.)
    """
    milliseconds = max(300, int(silence * 1000))
    socket.setsockopt(zmq.HEARTBEAT_IVL, milliseconds // 3)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, milliseconds - milliseconds // 3)


_numbers = itertools.count()


class Monitor:
    """What happens to a socket's connections, as ZeroMQ's thread reports it."""

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
        """(event, value) of all that has happened since the last look."""
        while readable(self._pair):
            yield struct.unpack("=HI", self._pair.recv_multipart(NOBLOCK)[0])

    def close(self) -> None:
        self._watched.monitor(None, 0)
        self._pair.close(linger=0)


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message waits. An exception for each look that finds none would cost more."""
    return bool(get(socket, EVENTS) & POLLIN)


class Waiter:
    """Sleeps until something may have happened to one of some ZeroMQ sockets or descriptors.

    One system call, where ZeroMQ's own poll makes its list anew, sleeps in two steps and asks every
    socket twice: a lease of 0.8 MB would feel that. The descriptor of a socket tells that ZeroMQ's
    thread has *something* for it, and only once: ask for its events (`readable`) before each wait
    and after it, and do not be surprised to find none.
    """

    def __init__(self, *sources: zmq.Socket[bytes] | int) -> None:
        self._poll = select.poll()
        for source in sources:
            number = source if isinstance(source, int) else int(source.getsockopt(zmq.FD))
            self._poll.register(number, select.POLLIN)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """At most `seconds`. Returns (descriptor, events) of those with news."""
        return self._poll.poll(max(0.0, seconds * 1000))

    def until(self, socket: zmq.Socket[bytes], event: int, seconds: float) -> bool:
        """Whether `event` (POLLIN, POLLOUT) of `socket`, the only source, comes in that time."""
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
