"""A generator's sockets, which carry bytes. `protocol` knows what they mean.

- Sending does not copy: the arrays given to `push` must not be written to afterwards.
- No call blocks without a time limit, and none raises because the trainer has left.
- ZeroMQ reports some events only to a monitor. If a connection closes, the messages under way are
  lost, even if ZeroMQ connects again a moment later (`broken`). If a handshake is refused, a
  sentence says why (`trouble`), and it is tried again, since the key may be admitted later; ZeroMQ
  itself would not try again.
"""

from __future__ import annotations

import fcntl
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import zmq

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError
from pushfit.wire.keys import GeneratorKey
from pushfit.wire.names import HostName
from pushfit.wire.protocol import MAX_CONTROL_BYTES
from pushfit.wire.sockets import (
    CONTROL_HWM,
    DATA_HWM,
    FAILED,
    NOBLOCK,
    POLLIN,
    POLLOUT,
    SNDMORE,
    Monitor,
    Waiter,
    heartbeat,
    options,
)
from pushfit.wire.transports import LINGER_MS

RECONNECT_MS, RECONNECT_MAX_MS = 100, 5_000
NAME_SECONDS = 1.0  # time for a name server; after it, the trainer's name is taken for an IPv4 one
REFUSED_SECONDS = 2.0  # time until a generator that was refused tries again
SILENCE_SECONDS = 5.0  # fixed here, since the trainer's own setting comes later, with WELCOME
LOOK_SECONDS = 0.05  # time between two examinations of the connections
VAGUE = 3  # a handshake that is closed without a reason this many times counts as refused
# Leases that are dropped have this time to leave (they come late, and are counted as such). It must
# not be 0: if a connection breaks while its socket closes without lingering, in the middle of a
# message, an assertion of libzmq 4.3.5 fails (`clean_pipes` in session_base.cpp) and aborts the
# process.
DROP_MS = 200
NEAR_BYTES = 256 * 1024  # the kernel's send buffer if the trainer is on this host: see `open_data`
FAST_FRAME = 64 * 1024  # bytes of a frame below which a copy is cheaper than keeping track of it


class SocketsOfProcess:
    """`GeneratorTransports` over ZeroMQ. All sockets of this process share ZeroMQ's threads."""

    def __init__(self) -> None:
        self._context = zmq.Context()

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> GeneratorSockets:
        return GeneratorSockets(trainer, name, MAX_CONTROL_BYTES, key, self._context)

    def close(self) -> None:
        self._context.term()


class GeneratorSockets:
    """A `GeneratorTransport`: a DEALER that is connected to the trainer, and a PUSH for a session.

    trainer: the address of the control port.
    name: what the trainer calls this generator.
    max_control_bytes: most bytes of a control message.
    key: None if the trainer has no keys.
    context: one that other sockets share and that outlives these; None: one of their own.
    """

    def __init__(
        self,
        trainer: Endpoint,
        name: str,
        max_control_bytes: int,
        key: GeneratorKey | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._shared = context is not None
        self._context = context or zmq.Context()
        self._trainer, self._key = trainer, key
        self._host = HostName(trainer.host)
        self._host.look(time.monotonic())
        self._host.settle(NAME_SECONDS)
        self.broken = False  # a connection closed since `settle`: the messages under way are lost
        self._trouble = ""
        self._vague = 0  # handshakes that the trainer has closed without a reason, in a row
        self._knock_at: float | None = None
        self._look_at = 0.0
        self._data: zmq.Socket[bytes] | None = None
        self._data_monitor: Monitor | None = None
        self._data_descriptor = -1  # the descriptor of the connected PUSH
        self._control = self._socket(zmq.DEALER, CONTROL_HWM)
        self._control_waiter = Waiter(self._control)
        heartbeat(self._control, SILENCE_SECONDS)
        self._monitor = Monitor(self._control)
        self._control.setsockopt(zmq.ROUTING_ID, name.encode("latin-1"))
        self._control.setsockopt(zmq.MAXMSGSIZE, max_control_bytes)
        self._connect(self._control, trainer)

    def _socket(self, kind: int, hwm: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        options(socket, hwm)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued without a connection
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        socket.setsockopt(zmq.IPV6, self._host.only_ipv6)
        if self._key is not None:
            socket.setsockopt(zmq.CURVE_SERVERKEY, self._key.trainer.encode("ascii"))
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self._key.public.encode("ascii"))
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._key.secret.encode("ascii"))
        return socket

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
        """Connect a new PUSH to the trainer's data port. An earlier one has DROP_MS to empty.

        Within a host the kernel would queue megabytes between the two processes, which do not stay
        in the CPU's cache. With a queue of NEAR_BYTES, leases of 8 MB arrive 1.5 times as fast. A
        network needs a queue of its delay times its speed, which the kernel finds by itself.
        """
        self.drop_data()
        self._data = self._socket(zmq.PUSH, DATA_HWM)
        if self._trainer.is_loopback:
            self._data.setsockopt(zmq.SNDBUF, NEAR_BYTES)
        self._data_waiter = Waiter(self._data)
        self._data_monitor = Monitor(self._data)
        self._connect(self._data, Endpoint(self._trainer.host, port))

    def drop_data(self, *, keep: bool = False) -> None:
        """Close the PUSH. keep: the leases in it still count, and have LINGER_MS to leave."""
        self._close_data(LINGER_MS if keep else DROP_MS)

    def _close_data(self, linger_ms: int) -> None:
        if self._data is not None and self._data_monitor is not None:
            self._data_monitor.close()
            self._data.close(linger=linger_ms)
            self._data = self._data_monitor = None
            self._data_descriptor = -1

    def look_after(self) -> None:
        """Examine the connections if it is time; call this between samples.

        To ask ZeroMQ its three questions each time would cost small leases a tenth of their speed.
        """
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()

    def _look(self) -> None:
        """Set `broken` and `_trouble` by what has happened; connect again after a refusal."""
        for event, value in self._monitor:
            if event == zmq.EVENT_DISCONNECTED:
                self.broken = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._trouble, self._vague = "", 0
            elif event in FAILED:
                self._trouble = self._explain(event, value) or self._trouble
                if event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:  # after it ZeroMQ tries again
                    self._knock_at = time.monotonic() + REFUSED_SECONDS
        for event, value in self._data_monitor or ():
            if event == zmq.EVENT_CONNECTED:
                self._data_descriptor = value
            elif event == zmq.EVENT_DISCONNECTED:
                self.broken = True
        if self._host.only_ipv6 and not self._control.getsockopt(zmq.IPV6):
            self._control.setsockopt(zmq.IPV6, True)  # it takes effect at the next connection
            self._knock_at = time.monotonic()
        if self._knock_at is not None and time.monotonic() >= self._knock_at:
            self._knock_at = None
            with suppress(zmq.ZMQError):  # ZeroMQ does not try this address any more
                self._control.disconnect(str(self._trainer))
            self._connect(self._control, self._trainer)

    def settle(self) -> None:
        """Note that a session begins: connections that closed before it do not matter."""
        self._look()
        self.broken = False

    def trouble(self) -> str:
        """A sentence that says why the trainer does not admit this generator; ``""``: it may."""
        self._look()
        return self._trouble

    def unresolved(self, now: float) -> str:
        """A sentence that says why the trainer's name cannot be resolved; ``""``: it can.

        now: monotonic seconds.
        """
        self._host.look(now)
        return self._host.trouble

    def _explain(self, event: int, value: int) -> str:
        """A sentence about a handshake that failed; ``""``: it may have no meaning."""
        key = self._key
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and key is not None:
            return (
                f"the key {key.name!r} is not admitted there: it is not among the trainer's keys, "
                "or was revoked. `pushfit keys list` at the trainer shows the admitted keys"
            )
        self._vague += 1
        mismatch = value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
        if not mismatch and self._vague < VAGUE:
            return ""  # a trainer that ends at this moment looks the same
        if key is None:
            return (
                "it accepts connections and does not answer. Either it is stopped, or it admits "
                "only generators with a key: make one at the trainer with "
                "`pushfit keys make NAME`, copy it here, and add --key FILE"
            )
        if mismatch:
            return (
                "it has no keys, and this generator has one: start the trainer with --keys DIR, or "
                "leave out --key here"
            )
        return (
            f"it is not the trainer that the key {key.name!r} was made for, or it has no keys: "
            "copy the key file from the trainer's keys folder again"
        )

    def wait(self, seconds: float) -> None:
        """Wait until a control message has come, at most `seconds`."""
        self._control_waiter.until(self._control, POLLIN, seconds)

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """The next control message; None: none came within `seconds`."""
        if not self._control_waiter.until(self._control, POLLIN, seconds):
            return None
        parts = self._control.recv_multipart(NOBLOCK)
        return parts[0] if len(parts) == 1 else b""

    def send(self, frame: bytes) -> bool:
        """Send a control message. Returns False if the trainer is not connected."""
        try:
            self._control.send(frame, NOBLOCK)
        except zmq.Again:
            return False
        return True

    def reaches_data(self, seconds: float) -> bool:
        """Return whether the trainer's data port is connected, or will be within `seconds`."""
        return self._data is not None and self._data_waiter.until(self._data, POLLOUT, seconds)

    def push(self, header: bytes, arrays: Sequence[Any], seconds: float) -> bool:
        """Send one lease. Returns False if the queue was full for all of `seconds`."""
        if self._data is None or not self.reaches_data(seconds):
            return False
        try:
            self._data.send(header, NOBLOCK | SNDMORE)
        except zmq.Again:
            return False
        for array in arrays[:-1]:
            self._data.send(array, SNDMORE, copy=array.nbytes < FAST_FRAME)
        self._data.send(arrays[-1], copy=arrays[-1].nbytes < FAST_FRAME)
        return True

    def leaving(self) -> bool:
        """Return whether the trainer's host has not yet received all bytes that were pushed.

        On a system other than Linux this is always False.
        """
        if self._data_descriptor < 0 or not hasattr(termios, "TIOCOUTQ"):
            return False
        left = bytearray(4)
        try:
            fcntl.ioctl(self._data_descriptor, termios.TIOCOUTQ, left)
        except OSError:
            return False  # it has just closed, which `look_after` notices
        return any(left)

    def close(self) -> None:
        """Close. The last leases and messages have LINGER_MS to leave."""
        self._close_data(LINGER_MS)
        self._monitor.close()
        self._control.close(linger=LINGER_MS)
        if not self._shared:
            self._context.term()
