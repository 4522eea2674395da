"""A generator's sockets. Bytes in, bytes out; what they mean is `protocol`'s affair.

- Sending never copies: the arrays given to `push` must not be written to afterwards.
- No call here blocks without a time limit, and none raises for a trainer that has gone.
- What ZeroMQ does in silence is looked at: a connection that closed has lost what was under way,
  even if it stands again a moment later (`broken`); a handshake that was refused is put in words
  (`trouble`) and tried again, where ZeroMQ itself would give up: a key may be admitted later.
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
NAME_SECONDS = 1.0  # for a name server, before ZeroMQ goes on as if the name led to IPv4
REFUSED_SECONDS = 2.0  # a generator that was turned away knocks again after that
SILENCE_SECONDS = 5.0  # a trainer's own figure comes too late, with its welcome
LOOK_SECONDS = 0.05  # between two looks at what became of the connections
VAGUE = 3  # connections closed in the handshake without a word, before that is a refusal
# What is dropped has as long to leave (and comes late, which is counted). Not 0: where a connection
# breaks while its socket closes without lingering, half a message out, libzmq 4.3.5 aborts the
# process (an assertion in session_base.cpp, `clean_pipes`): it lost a generator in a test.
DROP_MS = 200
NEAR_BYTES = 256 * 1024  # in the kernel between us and a trainer on this host: see `open_data`
FAST_FRAME = 64 * 1024  # below it, copying a frame is cheaper than tracking it


class SocketsOfProcess:
    """`GeneratorTransports` over ZeroMQ, whose threads all sockets of this process share."""

    def __init__(self) -> None:
        self._context = zmq.Context()

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> GeneratorSockets:
        return GeneratorSockets(trainer, name, MAX_CONTROL_BYTES, key, self._context)

    def close(self) -> None:
        self._context.term()


class GeneratorSockets:
    """A `GeneratorTransport`: DEALER, connected to the trainer, and a PUSH for each welcome."""

    def __init__(
        self,
        trainer: Endpoint,
        name: str,
        max_control_bytes: int,
        key: GeneratorKey | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """context: one that is shared with others, and outlives these sockets."""
        self._shared = context is not None
        self._context = context or zmq.Context()
        self._trainer, self._key = trainer, key
        self._host = HostName(trainer.host)
        self._host.look(time.monotonic())
        self._host.settle(NAME_SECONDS)
        self.broken = False  # a connection closed since `settle`: what was under way is lost
        self._trouble = ""
        self._vague = 0  # times that the trainer broke off the handshake without a word
        self._knock_at: float | None = None
        self._look_at = 0.0
        self._data: zmq.Socket[bytes] | None = None
        self._data_monitor: Monitor | None = None
        self._data_descriptor = -1  # the kernel's, once connected
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
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a peer that is away
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
        """A fresh PUSH to the trainer's data port; what an earlier one holds has DROP_MS to leave.

        Within a host, the kernel would let megabytes gather between the two processes, which pushes
        them out of the cache: with NEAR_BYTES, 8 MB leases arrive half as fast again. A network
        needs all that its delay times its speed comes to, and the kernel finds out how much.
        """
        self.drop_data()
        self._data = self._socket(zmq.PUSH, DATA_HWM)
        if self._trainer.is_loopback:
            self._data.setsockopt(zmq.SNDBUF, NEAR_BYTES)
        self._data_waiter = Waiter(self._data)
        self._data_monitor = Monitor(self._data)
        self._connect(self._data, Endpoint(self._trainer.host, port))

    def drop_data(self, *, keep: bool = False) -> None:
        """Close the PUSH. keep: what it holds still counts, and has LINGER_MS to leave."""
        self._close_data(LINGER_MS if keep else DROP_MS)

    def _close_data(self, linger_ms: int) -> None:
        if self._data is not None and self._data_monitor is not None:
            self._data_monitor.close()
            self._data.close(linger=linger_ms)
            self._data = self._data_monitor = None
            self._data_descriptor = -1

    def look_after(self) -> None:
        """See what became of the connections, now and then; called between patches.

        Three questions to ZeroMQ each time would cost a small lease a tenth of its speed.
        """
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()

    def _look(self) -> None:
        """Sets `broken`, knocks again when refused."""
        for event, value in self._monitor:
            if event == zmq.EVENT_DISCONNECTED:
                self.broken = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._trouble, self._vague = "", 0
            elif event in FAILED:
                self._trouble = self._explain(event, value) or self._trouble
                if event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:  # else ZeroMQ tries again itself
                    self._knock_at = time.monotonic() + REFUSED_SECONDS
        for event, value in self._data_monitor or ():
            if event == zmq.EVENT_CONNECTED:
                self._data_descriptor = value
            elif event == zmq.EVENT_DISCONNECTED:
                self.broken = True
        if self._host.only_ipv6 and not self._control.getsockopt(zmq.IPV6):
            self._control.setsockopt(zmq.IPV6, True)  # known by now: ZeroMQ has to begin again
            self._knock_at = time.monotonic()
        if self._knock_at is not None and time.monotonic() >= self._knock_at:
            self._knock_at = None
            with suppress(zmq.ZMQError):  # ZeroMQ has given the address up
                self._control.disconnect(str(self._trainer))
            self._connect(self._control, self._trainer)

    def settle(self) -> None:
        """A session begins: what happened to connections before it is of no concern."""
        self._look()
        self.broken = False

    def trouble(self) -> str:
        """Why the trainer does not let this generator in, in words; "" while it may."""
        self._look()
        return self._trouble

    def unresolved(self, now: float) -> str:
        """Why the trainer's name leads to no address, in words; "" where it does."""
        self._host.look(now)
        return self._host.trouble

    def _explain(self, event: int, value: int) -> str:
        key = self._key
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and key is not None:
            return (
                f"the key {key.name!r} is not admitted there: it is not among the trainer's keys, "
                "or was revoked. `pushfit keys list` at the trainer shows which are"
            )
        self._vague += 1
        mismatch = value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
        if not mismatch and self._vague < VAGUE:
            return ""  # a trainer that ends in this moment looks the same
        if key is None:
            return (
                "it takes connections and does not answer. Either it stands still, or it admits "
                "only generators with a key: make one at the trainer with "
                "`pushfit keys make NAME`, copy it here, and add --key FILE"
            )
        if mismatch:
            return (
                "it runs without keys, and this generator with one: start it with --keys DIR, or "
                "leave out --key here"
            )
        return (
            f"it is not the trainer that the key {key.name!r} was made for, or runs without keys: "
            "copy the key file from the trainer's keys folder again"
        )

    def wait(self, seconds: float) -> None:
        """Until a control message has come, at most `seconds`."""
        self._control_waiter.until(self._control, POLLIN, seconds)

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """The next control message, waiting at most `seconds`."""
        if not self._control_waiter.until(self._control, POLLIN, seconds):
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

    def reaches_data(self, seconds: float) -> bool:
        """Whether the trainer's data port is connected, or will be within `seconds`."""
        return self._data is not None and self._data_waiter.until(self._data, POLLOUT, seconds)

    def push(self, header: bytes, arrays: Sequence[Any], seconds: float) -> bool:
        """Send one lease; False when the high-water mark stood for all of `seconds`."""
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
        """Whether what was pushed is still on its way: the trainer's host lacks some of its bytes.

        Where the kernel does not say (not Linux), never.
        """
        if self._data_descriptor < 0 or not hasattr(termios, "TIOCOUTQ"):
            return False
        left = bytearray(4)
        try:
            fcntl.ioctl(self._data_descriptor, termios.TIOCOUTQ, left)
        except OSError:
            return False  # it has just closed: `look_after` will see it
        return any(left)

    def close(self) -> None:
        """Close; what was pushed and said last has LINGER_MS to leave."""
        self._close_data(LINGER_MS)
        self._monitor.close()
        self._control.close(linger=LINGER_MS)
        if not self._shared:
            self._context.term()
