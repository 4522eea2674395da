"""Sockets: the only `import zmq`. Bytes in, bytes out; what they mean is `protocol`'s affair.

- Receiving never copies: a data frame is handed on as ZeroMQ's own buffer. Sending never copies
  either: the arrays given to `push` must not be written to afterwards.
- No call here blocks without a time limit, and none raises for a peer that has gone.
- ZeroMQ's own errors are mapped once, here.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import zmq

from lib.errors import ConfigError, WireError
from lib.wire.endpoint import Endpoint

HANDSHAKE_MS = 10_000  # a peer that connects and says nothing is dropped after that
RECONNECT_MS, RECONNECT_MAX_MS = 100, 5_000
DATA_HWM = 16  # leases queued a connection; the budget bounds memory long before
CONTROL_HWM = 10_000
LINGER_MS = 2_000  # how long a clean exit waits for its last messages to leave
FAST_FRAME = 64 * 1024  # below it, copying a frame is cheaper than tracking it

# pyzmq's enums cost more than the calls they are given to: plain numbers, and the plain getter.
NOBLOCK, EVENTS = int(zmq.NOBLOCK), int(zmq.EVENTS)
POLLIN, POLLOUT = int(zmq.POLLIN), int(zmq.POLLOUT)
_get: Any = zmq.backend.Socket.get

Frame = Any  # zmq.Frame or bytes: both have the buffer interface


def keep_receive_buffers() -> None:
    """Have glibc keep freed receive buffers for the next lease; elsewhere nothing happens.

    By default it returns them to the kernel, and every lease is received into pages that have to be
    mapped and zeroed again: a third of the throughput. The budget bounds what is kept.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD: its largest value
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def _options(socket: zmq.Socket[bytes], hwm: int) -> None:
    socket.set_hwm(hwm)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)


def _readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message waits. An exception for each look that finds none would cost more."""
    return bool(_get(socket, EVENTS) & POLLIN)


class TrainerSockets:
    """ROUTER and PULL, both bound, plus a pipe by which another thread can wake the poll."""

    def __init__(self, bind: Endpoint, data_port: int, max_data_bytes: int, max_control_bytes: int):
        keep_receive_buffers()
        self._context = zmq.Context()
        try:
            self._control = self._context.socket(zmq.ROUTER)
            _options(self._control, CONTROL_HWM)
            self._control.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a send to the gone fails at once
            self._control.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a reconnected peer keeps its name
            self._control.setsockopt(zmq.MAXMSGSIZE, max_control_bytes)
            self.control_port = self._bind(self._control, bind)
            self._data = self._context.socket(zmq.PULL)
            _options(self._data, DATA_HWM)
            self._data.setsockopt(zmq.MAXMSGSIZE, max_data_bytes)
            port = data_port or (bind.port and bind.port + 1)
            self.data_port = self._bind(self._data, Endpoint(bind.host, port))
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poller = zmq.Poller()
        for source in (self._control, self._data, self._wake_read):
            self._poller.register(source, zmq.POLLIN)

    @staticmethod
    def _bind(socket: zmq.Socket[bytes], endpoint: Endpoint) -> int:
        address = f"tcp://{endpoint.host}:{endpoint.port or '*'}"
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"{address} is in use: another trainer or sink runs on this machine? End it, "
                    "or give --bind another port (and --data-port, one above by default)"
                ) from error
            raise ConfigError(
                f"cannot bind {address}: {error.strerror}. --bind takes an address of this "
                "machine, e.g. tcp://0.0.0.0:12001 for all of them"
            ) from error
        bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(bound.rpartition(":")[2])

    def poll(self, seconds: float) -> tuple[bool, bool]:
        """Wait until a message or a wake-up comes, at most `seconds`: is there (data, control)?"""
        ready = [source for source, _ in self._poller.poll(int(seconds * 1000))]
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        return self._data in ready, self._control in ready

    def wake(self) -> None:
        """End a poll that runs in another thread. Cheap, never blocks."""
        try:
            os.write(self._wake_write, b"\0")
        except (BlockingIOError, OSError):
            return  # full: a wake-up is on its way already; closed: nobody is left to wake

    def receive_control(self) -> tuple[str, bytes] | None:
        """(generator, frame) or None when there is none. Malformed envelopes give b""."""
        if not _readable(self._control):
            return None
        parts = self._control.recv_multipart(NOBLOCK)
        return parts[0].decode("latin-1"), parts[1] if len(parts) == 2 else b""

    def receive_data(self) -> tuple[bytes, list[Frame]] | None:
        """(header, array frames) of one lease, or None when there is none."""
        if not _readable(self._data):
            return None
        part = self._data.recv(NOBLOCK, copy=False)
        header = part.bytes
        frames: list[Frame] = []
        while part.more:
            part = self._data.recv(NOBLOCK, copy=False)
            frames.append(part)
        return header, frames

    def send_control(self, generator: str, frame: bytes) -> bool:
        """False when that generator is not connected (any more), or does not read."""
        try:
            self._control.send_multipart([generator.encode("latin-1"), frame], NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise WireError(f"cannot send to {generator}: {error.strerror}") from error
        return True

    def close(self, linger: float = 1.0) -> None:
        """Close both sockets; what was sent last has `linger` seconds to leave."""
        self._control.close(linger=int(linger * 1000))
        self._data.close(linger=0)
        self._context.term()
        os.close(self._wake_read)
        os.close(self._wake_write)


class GeneratorSockets:
    """DEALER, connected to the trainer, and a PUSH for each welcome."""

    def __init__(self, trainer: Endpoint, name: str, max_control_bytes: int) -> None:
        self._context = zmq.Context()
        self._trainer = trainer
        self._control = self._context.socket(zmq.DEALER)
        self._data: zmq.Socket[bytes] | None = None
        _options(self._control, 1000)
        self._control.setsockopt(zmq.ROUTING_ID, name.encode("latin-1"))
        self._control.setsockopt(zmq.MAXMSGSIZE, max_control_bytes)
        self._control.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a peer that is away
        self._reconnect(self._control)
        self._connect(self._control, trainer)

    @staticmethod
    def _reconnect(socket: zmq.Socket[bytes]) -> None:
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)

    @staticmethod
    def _connect(socket: zmq.Socket[bytes], endpoint: Endpoint) -> None:
        try:
            socket.connect(f"tcp://{endpoint.host}:{endpoint.port}")
        except zmq.ZMQError as error:
            raise ConfigError(
                f"cannot connect to {endpoint}: {error.strerror}. --connect takes the trainer's "
                "host and port, e.g. tcp://gpu-host:12001"
            ) from error

    def open_data(self, port: int) -> None:
        """A fresh PUSH to the trainer's data port; what an earlier one still held is dropped."""
        self.drop_data()
        self._data = self._context.socket(zmq.PUSH)
        _options(self._data, DATA_HWM)
        self._data.setsockopt(zmq.IMMEDIATE, 1)
        self._reconnect(self._data)
        self._connect(self._data, Endpoint(self._trainer.host, port))

    def drop_data(self) -> None:
        if self._data is not None:
            self._data.close(linger=0)
            self._data = None

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """The next control message, waiting at most `seconds`."""
        if seconds and not self._control.poll(int(seconds * 1000)):
            return None
        if not _readable(self._control):
            return None
        parts = self._control.recv_multipart(NOBLOCK)
        return parts[0] if len(parts) == 1 else b""

    def send(self, frame: bytes) -> bool:
        """False when the trainer is not connected."""
        try:
            self._control.send(frame, NOBLOCK)
        except zmq.Again:
            return False
        return True

    def push(self, header: bytes, arrays: Sequence[Any], seconds: float) -> bool:
        """Send one lease; False when the high-water mark stood for all of `seconds`."""
        if self._data is None:
            return False
        writable = _get(self._data, EVENTS) & POLLOUT
        if not writable and not self._data.poll(int(seconds * 1000), zmq.POLLOUT):
            return False
        try:
            self._data.send(header, NOBLOCK | zmq.SNDMORE)
        except zmq.Again:
            return False
        for array in arrays[:-1]:
            self._data.send(array, zmq.SNDMORE, copy=array.nbytes < FAST_FRAME)
        self._data.send(arrays[-1], copy=arrays[-1].nbytes < FAST_FRAME)
        return True

    def close(self) -> None:
        """Close; what was pushed and said last has LINGER_MS to leave."""
        if self._data is not None:
            self._data.close(linger=LINGER_MS)
        self._control.close(linger=LINGER_MS)
        self._context.term()
