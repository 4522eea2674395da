"""The trainer's sockets, which carry bytes. `protocol` knows what they mean.

- Receiving does not copy: a data frame is passed on as ZeroMQ's own buffer.
- No call blocks without a time limit, and none raises because a peer has left.
- With keys, both sockets use CURVE: `Admission` admits each connection, and each message carries
  the name of its key. No byte of a message passes before that.
- ZeroMQ's own thread sends heartbeats on the control sockets. They find a peer that was stopped,
  cut off or lost with its host, and a long decode does not delay them. The data sockets have no
  heartbeats, since a large message on a slow link takes longer than any; the kernel finds a lost
  peer of theirs (TCP keepalive).
- ZeroMQ's errors become errors of PushFit here, and nowhere else.
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

DECRYPTING_THREADS = 4  # one decrypts about half a gigabyte per second; idle ones cost nothing
MUTE_SECONDS = 30.0  # for `Connections.mute`: a generator says HELLO as soon as it is connected
WHOLE_CONTROL = 5  # control messages of the largest size that may wait in one connection
ALL_CONTROL = 4  # all connections together may hold this many times the limit of one
KERNEL_BYTES = 64 * 2**20  # bytes in the kernel that a connection may hold beyond ZeroMQ's queue
BACKLOG = 1024  # connections that wait to be accepted: many generators start within one second

SPARE_FILES = 64  # open files of this process that are not connections

log = logging.getLogger("pushfit.trainer")


class TrainerSockets:
    """A `TrainerTransport`: a ROUTER and a PULL, both bound, and a pipe by which threads wake it.

    bind: the address of the control port; port 0 is any free port.
    data_port: 0: the port above that of `bind`, or any free port if that is 0.
    max_data_bytes: most bytes of a lease's largest frame, and of all its frames together.
    max_control_bytes: most bytes of a control message.
    data_total: most bytes of data that may wait, over all generators.
    silence: seconds without an answer to a heartbeat after which a peer is disconnected.
    admission: which connections to admit; None: all.
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
        self.refused: list[Refused] = []  # refused in the handshake; the caller empties it
        in_one = (DATA_HWM + 2) * max_data_bytes + KERNEL_BYTES
        self.data_connections = Connections(in_one, data_total + in_one)
        in_one = WHOLE_CONTROL * max_control_bytes
        self.control_connections = Connections(in_one, ALL_CONTROL * in_one, MUTE_SECONDS)
        self._data_emptied = self._control_emptied = True
        self._behind: dict[int, str] = {}  # {descriptor of a control connection: its generator}
        self._closed: list[str] = []
        try:
            self._zap = self._context.socket(zmq.REP)
            self._zap.bind("inproc://zeromq.zap.01")
            self._control = self._socket(zmq.ROUTER, CONTROL_HWM, self.control_connections)
            self._control.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a send without a connection fails
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
                    f"{address} is in use, perhaps by another trainer or sink on this machine: end "
                    "it, or give --bind another port (--data-port is the port above by default)"
                ) from error
            raise ConfigError(
                f"cannot bind {address}: {error.strerror}. --bind takes an address of this "
                "machine, e.g. tcp://0.0.0.0:12001 for all of them"
            ) from error
        bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(bound.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        return self._bind.is_loopback

    @property
    def reach(self) -> str:
        """The flags with which a generator is started to reach this trainer."""
        host = self._bind.host if self._bind.is_loopback else "THIS-HOST"
        key = " --key FILE" if self._admission is not None else ""
        return f"--connect tcp://{host}:{self.control_port}{key}"

    @property
    def arrival(self) -> str:
        """The address of this host at which the last samples arrived; ``""``: none have."""
        return self.data_connections.arrival

    def poll(self, seconds: float) -> tuple[bool, bool]:
        """Wait until a message or a wake-up comes, at most `seconds`.

        Returns (a lease waits, a control message waits).
        """
        data, control = readable(self._data), readable(self._control)
        # A request for admission that has not been answered is not signalled again: ask for it.
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
        """Answer requests for admission, a few at a time."""
        for _ in range(64):
            if not readable(self._zap):
                break
            request = self._zap.recv_multipart(NOBLOCK)
            assert self._admission is not None  # ZeroMQ asks only if the sockets have keys
            self._zap.send_multipart(self._admission.answer(request), NOBLOCK)

    def wake(self) -> None:
        """End a `poll` in another thread, or have the next one return at once. Never blocks.

        It writes to the pipe only if a thread sleeps, as it is called for each lease if the budget
        is full.
        """
        self._woken = True  # set before `_asleep` is read; `poll` does both in reverse
        if not self._asleep:
            return
        try:
            os.write(self._wake_write, b"\0")
        except (BlockingIOError, OSError):
            return  # the pipe is full, so a wake-up is under way, or closed, so nobody sleeps

    def _origin(self, frame: zmq.Frame, *, data: bool) -> Origin:
        """The connection of a frame. `Admission` has given it the name of its key, not the peer."""
        user = ""
        try:
            if self._admission is not None:
                user = str(frame.get("User-Id"))
            return Origin(frame.get(SRCFD), user, data)
        except zmq.ZMQError:  # it closed before ZeroMQ could ask for its address
            return Origin(NOBODY, user, data)

    def who(self, origin: Origin) -> str:
        """The identity behind a message, in words: its key or, without keys, its address."""
        if origin.user:
            return key_name(origin.user)
        address = self._connections(origin).opened(origin.descriptor).address
        return f"the address {address[0] if address else '?'}"

    def _stays(self, origin: Origin) -> bool:
        """Return whether the key of a message is still admitted; if not, end its connection."""
        if self._admission is None or self._admission.admits(origin.user):
            return True
        connections = self._connections(origin)
        address = connections.opened(origin.descriptor).label
        why = f"its key, {origin.user}, is not admitted any more"
        self._admission.refusals.append(Refused(address, why))
        connections.end(origin.descriptor)
        return False

    def receive_control(self) -> tuple[str, bytes, Origin] | None:
        """(generator, frame, origin) of a control message; None: there is none.

        The frame of a message with another number of frames is ``b""``.
        """
        if not readable(self._control):
            self._control_emptied = True
            return None
        try:
            name, *frames = self._control.recv_multipart(NOBLOCK, copy=False)
        except zmq.Again:
            return None  # it was only the name of a key, which ZeroMQ signals like a message
        origin = self._origin((frames or [name])[-1], data=False)
        weight = sum(len(frame) + FRAMING for frame in frames)
        self.control_connections.took(origin, weight)
        if not self._stays(origin):
            return None
        generator = name.bytes.decode("latin-1")
        self._behind[origin.descriptor] = generator
        return generator, frames[0].bytes if len(frames) == 1 else b"", origin

    def receive_data(self) -> tuple[bytes, list[Frame], Origin] | None:
        """(header, array frames, origin) of one lease; None: there is none."""
        data = self._data
        if not get(data, EVENTS) & POLLIN:
            self._data_emptied = True
            return None
        try:
            part = data.recv(NOBLOCK, False)
        except zmq.Again:
            return None  # it was only the name of a key
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
        """Send a control message; False: `generator` is not connected or does not read."""
        try:
            self._control.send_multipart([generator.encode("latin-1"), frame], NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise WireError(f"cannot send to {generator}: {error.strerror}") from error
        return True

    def look_after(self) -> list[str]:
        """Examine the connections; call this once a tick.

        It notes which opened, closed or were refused, and ends those that hold too much.
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
                    broke_off += 1  # the event with its descriptor comes next
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
        """The generators of which a connection closed since the last call.

        Such a generator may have another connection.
        """
        closed, self._closed = self._closed, []
        return closed

    def _count_files(self) -> None:
        """Warn once, before the limit of open files keeps generators out without a message."""
        connections = len(self.control_connections) + len(self.data_connections)
        if not self._warned and connections + SPARE_FILES > self._files:
            self._warned = True
            log.warning(
                "%d connections are open, and this process may have %d files open: few further "
                "generators can connect (each takes two). Start it under a higher limit: "
                "`ulimit -n 65536`, LimitNOFILE= (systemd), --ulimit nofile=65536 (docker)",
                *(connections, self._files),
            )

    def revoked(self) -> list[str]:
        """End the connections whose key is not admitted any more. Returns the names of the keys."""
        if self._admission is None:
            return []
        self._admission.refresh()
        users = self.control_connections.users | self.data_connections.users
        gone = sorted(user for user in users if not self._admission.admits(user))
        return [user for user in gone if self._end_user(user)]

    def strike(self, origin: Origin) -> tuple[str, int]:
        """Count an error of the peer at `origin`. Returns (its label, its recent errors)."""
        return self._connections(origin).strike(origin, time.monotonic())

    def _connections(self, origin: Origin) -> Connections:
        return self.data_connections if origin.data else self.control_connections

    def refuse(self, origin: Origin) -> None:
        """End the connection `origin`, and refuse its key from now on."""
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
        """Close both sockets. The last messages sent have `linger` seconds to leave."""
        self._close_monitors()
        self._control.close(linger=int(linger * 1000))
        self._data.close(linger=0)
        self._zap.close(linger=0)
        self._context.term()
        os.close(self._wake_read)
        os.close(self._wake_write)
