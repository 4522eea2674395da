"""The trainer's sockets. Bytes in, bytes out; what they mean is `protocol`'s affair.

- Receiving never copies: a data frame is handed on as ZeroMQ's own buffer.
- No call here blocks without a time limit, and none raises for a peer that has gone.
- With keys, both sockets speak CURVE: a connection is let in by `Admission`, and what comes over it
  bears the name of its key. Whoever is not let in gets not a byte of a message through.
- The control sockets send heartbeats in ZeroMQ's own thread, which a long decode does not block: so
  a peer that was stopped, cut off or lost with its host is found, and one that works is not. The
  data sockets do not: a large message on a slow link would outlast any heartbeat; a peer of theirs
  that is gone without a word is found by the kernel (TCP keepalive).
- ZeroMQ's own errors are mapped once, here.
"""

from __future__ import annotations

import errno
import logging
import os
import time

import zmq

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError, WireError
from pushfit.host import allow_many_files
from pushfit.wire.admission import BROKE_OFF, Admission, Refused
from pushfit.wire.connections import FRAMING, NOBODY, Connections, Origin, key_name
from pushfit.wire.sockets import (
    CONTROL_HWM,
    DATA_HWM,
    EVENTS,
    FAILED,
    NOBLOCK,
    POLLIN,
    SRCFD,
    Monitor,
    Waiter,
    get,
    heartbeat,
    keep_receive_buffers,
    options,
    readable,
)
from pushfit.wire.transports import Frame

DECRYPTING_THREADS = 4  # one decrypts about half a gigabyte a second; idle ones cost nothing
MUTE_SECONDS = 30.0  # a generator says hello a moment after it connected
WHOLE_CONTROL = 5  # largest control messages that may wait in one connection, …
ALL_CONTROL = 4  # … and as many times that in all of them
KERNEL_BYTES = 64 * 2**20  # what a connection may hold beyond ZeroMQ's own queue: the kernel's
BACKLOG = 1024  # connections that wait to be accepted: fifty generators start in one second

SPARE_FILES = 64  # of ours that are not connections

log = logging.getLogger("pushfit.trainer")


class TrainerSockets:
    """A `TrainerTransport`: ROUTER and PULL, both bound, and a pipe by which threads wake it.

    max_data_bytes: of a lease's largest frame, and of all of its frames together.
    data_total: bytes that may wait to be taken, over all generators.
    silence: seconds after which a peer that answers no heartbeat is disconnected.
    admission: whom to let in; without it, whoever reaches the ports.
    """

    def __init__(
        self,
        bind: Endpoint,
        data_port: int,
        max_data_bytes: int,
        max_control_bytes: int,
        *,
        data_total: int = 2**32,
        silence: float = 5.0,
        admission: Admission | None = None,
    ):
        keep_receive_buffers()
        self._files, self._warned = allow_many_files(), False
        self._bind, self._admission = bind, admission
        self._context = zmq.Context(1 if admission is None else DECRYPTING_THREADS)
        self._monitors: list[tuple[Monitor, Connections]] = []
        self.refused: list[Refused] = []  # turned away in the handshake; the caller empties it
        in_one = (DATA_HWM + 2) * max_data_bytes + KERNEL_BYTES
        self.data_connections = Connections(in_one, data_total + in_one)
        in_one = WHOLE_CONTROL * max_control_bytes
        self.control_connections = Connections(in_one, ALL_CONTROL * in_one, MUTE_SECONDS)
        self._data_emptied = self._control_emptied = True
        self._behind: dict[int, str] = {}  # descriptor of a control connection → its generator
        self._closed: list[str] = []
        try:
            self._zap = self._context.socket(zmq.REP)
            self._zap.bind("inproc://zeromq.zap.01")
            self._control = self._socket(zmq.ROUTER, CONTROL_HWM, self.control_connections)
            self._control.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a send to the gone fails at once
            self._control.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a reconnected peer keeps its name
            self._control.setsockopt(zmq.MAXMSGSIZE, max_control_bytes)
            heartbeat(self._control, silence)
            self.control_port = self._bound(self._control, bind)
            self._data = self._socket(zmq.PULL, DATA_HWM, self.data_connections)
            self._data.setsockopt(zmq.MAXMSGSIZE, max_data_bytes)
            port = data_port or (bind.port and bind.port + 1)
            self.data_port = self._bound(self._data, Endpoint(bind.host, port))
        except BaseException:
            self._close_monitors()
            self._context.destroy(linger=0)
            raise
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._asleep = self._woken = False
        self._waiter = Waiter(self._control, self._data, self._zap, self._wake_read)

    def _socket(self, kind: int, hwm: int, connections: Connections) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        options(socket, hwm)
        socket.setsockopt(zmq.BACKLOG, BACKLOG)
        socket.setsockopt(zmq.IPV6, self._bind.host.startswith("["))
        if self._admission is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._admission.trainer.secret.encode("ascii"))
        self._monitors.append((Monitor(socket), connections))
        return socket

    @staticmethod
    def _bound(socket: zmq.Socket[bytes], endpoint: Endpoint) -> int:
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

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self._bind.is_loopback

    @property
    def reach(self) -> str:
        """What a generator is started with to reach this trainer."""
        host = self._bind.host if self._bind.is_loopback else "THIS-HOST"
        key = " --key FILE" if self._admission is not None else ""
        return f"--connect tcp://{host}:{self.control_port}{key}"

    @property
    def arrival(self) -> str:
        """The address of this host that samples came in by last, or ``""``."""
        return self.data_connections.arrival

    def poll(self, seconds: float) -> tuple[bool, bool]:
        """Wait until a message or a wake-up comes, at most `seconds`: is there (data, control)?"""
        data, control = readable(self._data), readable(self._control)
        # Who knocked and was not answered yet gives no news again: such must be asked for, too.
        if not (data or control or (self._admission is not None and readable(self._zap))):
            self._asleep = True
            for number, _ in self._waiter.wait(0.0 if self._woken else seconds):
                if number == self._wake_read:
                    os.read(number, 4096)
            self._asleep = False
            data, control = readable(self._data), readable(self._control)
        self._woken = False
        if self._admission is not None:
            self._admit()
        return data, control

    def _admit(self) -> None:
        """Answer those who knock, a few at a time."""
        for _ in range(64):
            if not readable(self._zap):
                break
            request = self._zap.recv_multipart(NOBLOCK)
            assert self._admission is not None  # ZeroMQ asks on the sockets that have keys
            self._zap.send_multipart(self._admission.answer(request), NOBLOCK)

    def wake(self) -> None:
        """End a poll that runs in another thread, or let the next one not wait. Never blocks.

        Nothing is written where nobody sleeps: with a full budget this is called for each lease.
        """
        self._woken = True  # before we ask who sleeps, as `poll` says that it does before it asks
        if not self._asleep:
            return
        try:
            os.write(self._wake_write, b"\0")
        except (BlockingIOError, OSError):
            return  # full: a wake-up is on its way already; closed: nobody is left to wake

    def _origin(self, frame: zmq.Frame, *, data: bool) -> Origin:
        """Where a frame came from. The name of the key is what `Admission` said, not the peer."""
        user = ""
        try:
            if self._admission is not None:
                user = str(frame.get("User-Id"))
            return Origin(frame.get(SRCFD), user, data)
        except zmq.ZMQError:  # it had broken off before ZeroMQ could ask who it was
            return Origin(NOBODY, user, data)

    def who(self, origin: Origin) -> str:
        """Whose message it is, whatever its sender calls itself: a key, else an address."""
        if origin.user:
            return key_name(origin.user)
        address = self._connections(origin).opened(origin.descriptor).address
        return f"the address {address[0] if address else '?'}"

    def _stays(self, origin: Origin) -> bool:
        """Whether the key of a message still is admitted; if not, its connection is ended."""
        if self._admission is None or self._admission.admits(origin.user):
            return True
        connections = self._connections(origin)
        address = connections.opened(origin.descriptor).label
        why = f"its key, {origin.user}, is not admitted any more"
        self._admission.refusals.append(Refused(address, why))
        connections.end(origin.descriptor)
        return False

    def receive_control(self) -> tuple[str, bytes, Origin] | None:
        """(generator, frame, origin) or None when there is none. Malformed envelopes give b""."""
        if not readable(self._control):
            self._control_emptied = True
            return None
        try:
            name, *frames = self._control.recv_multipart(NOBLOCK, copy=False)
        except zmq.Again:
            return None  # only the name of a key: ZeroMQ hands that on as if it were a message
        origin = self._origin((frames or [name])[-1], data=False)
        weight = sum(len(frame) + FRAMING for frame in frames)
        self.control_connections.took(origin, weight)
        if not self._stays(origin):
            return None
        generator = name.bytes.decode("latin-1")
        self._behind[origin.descriptor] = generator
        return generator, frames[0].bytes if len(frames) == 1 else b"", origin

    def receive_data(self) -> tuple[bytes, list[Frame], Origin] | None:
        """(header, array frames, origin) of one lease, or None when there is none."""
        data = self._data
        if not get(data, EVENTS) & POLLIN:
            self._data_emptied = True
            return None
        try:
            part = data.recv(NOBLOCK, False)
        except zmq.Again:
            return None  # as above
        header, origin = part.bytes, self._origin(part, data=True)
        weight = len(header) + FRAMING
        frames: list[Frame] = []
        while part.more:
            part = data.recv(NOBLOCK, False)
            weight += len(part) + FRAMING
            frames.append(part)
        self.data_connections.took(origin, weight)
        if self._admission is not None and not self._stays(origin):
            return None
        return header, frames, origin

    def send_control(self, generator: str, frame: bytes) -> bool:
        """False when that generator is not connected (any more), or does not read."""
        try:
            self._control.send_multipart([generator.encode("latin-1"), frame], NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise WireError(f"cannot send to {generator}: {error.strerror}") from error
        return True

    def look_after(self) -> list[str]:
        """Once a tick: who came and went, who was turned away, who holds too much.

        Returns a sentence for each connection that was ended.
        """
        for monitor, connections in self._monitors:
            broke_off = 0
            for event, value in monitor:
                if event == zmq.EVENT_ACCEPTED:
                    connections.opened(value)
                elif event == zmq.EVENT_DISCONNECTED:
                    gone = connections.closed(value)
                    if broke_off and gone is not None and not gone.spoke:
                        broke_off -= 1
                        self.refused.append(Refused(gone.label, BROKE_OFF))
                    if connections is self.control_connections and value in self._behind:
                        self._closed.append(self._behind.pop(value))
                elif event in FAILED and event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                    broke_off += 1  # or does not speak as we do; who it was comes next
            if broke_off:
                self.refused.append(Refused("", BROKE_OFF))
        self._count_files()
        self.control_connections.look(emptied=self._control_emptied)
        self.data_connections.look(emptied=self._data_emptied)
        self._data_emptied = self._control_emptied = False
        ended = self.control_connections.ended + self.data_connections.ended
        self.control_connections.ended, self.data_connections.ended = [], []
        if self._admission is not None:
            self.refused += self._admission.refusals
            self._admission.refusals.clear()
        return ended

    def take_closed(self) -> list[str]:
        """Generators of which a connection closed since the last call; they may have another."""
        closed, self._closed = self._closed, []
        return closed

    def _count_files(self) -> None:
        """Warn, once, before the limit of open files keeps generators out without a word."""
        connections = len(self.control_connections) + len(self.data_connections)
        if not self._warned and connections + SPARE_FILES > self._files:
            self._warned = True
            log.warning(
                "%d connections stand, and this process may have %d files open: hardly another "
                "generator can connect (each takes two). Start it under a higher limit: "
                "`ulimit -n 65536`, LimitNOFILE= (systemd), --ulimit nofile=65536 (docker)",
                *(connections, self._files),
            )

    def revoked(self) -> list[str]:
        """Names of keys that are connected and admitted no more; their connections are ended."""
        if self._admission is None:
            return []
        self._admission.refresh()
        users = self.control_connections.users | self.data_connections.users
        gone = sorted(user for user in users if not self._admission.admits(user))
        return [user for user in gone if self._end_user(user)]

    def strike(self, origin: Origin) -> tuple[str, int]:
        """Count an error of the peer behind `origin`. Returns (who it is, its errors lately)."""
        return self._connections(origin).strike(origin, time.monotonic())

    def _connections(self, origin: Origin) -> Connections:
        return self.data_connections if origin.data else self.control_connections

    def refuse(self, origin: Origin) -> None:
        """End the connection that a message came over; its key is refused from now on."""
        self._connections(origin).end(origin.descriptor)
        if self._admission is not None and origin.user:
            self._admission.refused[origin.user] = None
            self._end_user(origin.user)

    def _end_user(self, user: str) -> int:
        return self.control_connections.end_user(user) + self.data_connections.end_user(user)

    def _close_monitors(self) -> None:
        for monitor, _ in self._monitors:
            monitor.close()

    def close(self, linger: float = 1.0) -> None:
        """Close both sockets; what was sent last has `linger` seconds to leave."""
        self._close_monitors()
        self._control.close(linger=int(linger * 1000))
        self._data.close(linger=0)
        self._zap.close(linger=0)
        self._context.term()
        os.close(self._wake_read)
        os.close(self._wake_write)
