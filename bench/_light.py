"""Simulated generators, hundreds in one process: they speak the whole protocol over sockets of
their own (a DEALER and a PUSH each, over TCP), and send samples that are ready.

    python -m bench._light ADDRESS GENERATORS SAMPLE-BYTES WORK-SECONDS

Each takes WORK-SECONDS for a visit by waiting, one lease at a time, as a generator on a core of
its own would; 0: no time at all, and whatever it is granted it sends at once. What a sample holds
follows from its record and its patch alone (`content`), so that the stream can be compared.

Commands, a line each on stdin: `go` (connect), `mark` (count from here), `report` (a line of JSON:
CPU seconds, leases, GRANTS messages, seconds from the push of a result to the GRANTS it led to).
The process ends with its stdin.

One thread sees to all of them: epoll on the descriptors of the sockets, so that a wake-up costs
the same for one generator as for five hundred.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable

import numpy as np
import zmq

from bench import _messages
from bench._ready import RECORDS, data_set
from pushfit.host import allow_many_files
from pushfit.tasks.base import ArraySpec
from pushfit.wire import protocol as wire
from pushfit.wire.generator_sockets import NEAR_BYTES
from pushfit.wire.sockets import (
    CONTROL_HWM,
    DATA_HWM,
    EVENTS,
    NOBLOCK,
    POLLOUT,
    get,
    heartbeat,
    options,
    readable,
)

SLOTS = 64  # as a real generator's
SILENCE = 5.0
SMALL = 2**16  # bytes of a sample, below which it holds what its record says
LATENCIES = 200_000  # kept at most

DATA = data_set(classes=("any",))


def content(size: int, patches: int) -> np.ndarray:
    """(RECORDS, patches, size) uint8: what the samples hold, by record and patch."""
    shape = (RECORDS, patches, size)
    return np.random.Generator(np.random.Philox(key=np.array([size, patches], np.uint64))).integers(
        0, 256, shape, np.uint8
    )


def writable(socket: zmq.Socket[bytes]) -> bool:
    """Return whether it takes a message. A send alone would not look at what woke us."""
    return bool(get(socket, EVENTS) & POLLOUT)


class Fleet:
    """All generators of this process, their clock, and what is counted of them."""

    def __init__(self, address: str, count: int, size: int, work: float) -> None:
        allow_many_files()
        self.host, self.port = address.removeprefix("tcp://").rsplit(":", 1)
        self.size, self.work = size, work
        self.specs = (ArraySpec("image", "uint8", (size,)),)
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 2 * count + 16)
        self.hello = _messages.hello("light", SLOTS)
        self.epoll = select.epoll()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self._turns = 0
        self._whole: dict[int, zmq.Frame] = {}
        self._table: np.ndarray | None = None
        self._lights = [Light(self, number) for number in range(count)]
        self._by_fd: dict[int, Light] = {}
        self._mark()

    def _mark(self) -> None:
        self.cpu, self.leases, self.messages = time.process_time(), 0, 0
        self.latencies: list[float] = []

    def payload(self, records: list[int], patches: int) -> zmq.Frame | memoryview:
        """The samples of a lease: ready-made, or small ones by their content."""
        rows = len(records) * patches
        if self.size > SMALL:
            if rows not in self._whole:
                array = np.full((rows, self.size), 7, np.uint8)
                self._whole[rows] = zmq.Frame(array, copy=False, track=False)
            return self._whole[rows]
        if self._table is None:
            self._table = content(self.size, patches)
        return self._table[records].data

    def at(self, when: float, call: Callable[[], None]) -> None:
        self._turns += 1
        heapq.heappush(self.timers, (when, self._turns, call))

    def watch(self, socket: zmq.Socket[bytes], light: Light) -> None:
        descriptor = int(socket.getsockopt(zmq.FD))
        self._by_fd[descriptor] = light
        self.epoll.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def run(self) -> None:
        stdin = sys.stdin.fileno()
        self.epoll.register(stdin, select.EPOLLIN)
        print("ready", flush=True)
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            left = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else 1.0
            for descriptor, _ in self.epoll.poll(left):
                if descriptor != stdin:
                    self._by_fd[descriptor].turn()
                elif not self._command(os.read(stdin, 100).split()):
                    return

    def _command(self, words: list[bytes]) -> bool:
        for word in words:
            if word == b"go":
                for light in self._lights:
                    light.connect()
            elif word == b"mark":
                self._mark()
            elif word == b"report":
                print(json.dumps(self._report()), flush=True)
        return bool(words)

    def _report(self) -> dict[str, object]:
        return {
            "cpu": time.process_time() - self.cpu,
            "leases": self.leases,
            "messages": self.messages,
            "latencies": self.latencies[:LATENCIES],
        }


class Light:
    """One generator."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet = fleet
        self.name = f"light/{os.getpid()}/{number}"
        self.hand: deque[wire.Grant] = deque()
        self.welcome: wire.Welcome | None = None
        self._greeted = False
        self._begun = False  # the lease in hand: its time runs, or has run
        self._done_at = 0.0
        self._answered = 0  # of a careful lease: records that the trainer has heard of
        self._pushed_at = 0.0
        self._control: zmq.Socket[bytes]
        self._data: zmq.Socket[bytes] | None = None

    def _socket(self, kind: int, hwm: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self.fleet.context.socket(kind)
        options(socket, hwm)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        return socket

    def connect(self) -> None:
        self._control = self._socket(zmq.DEALER, CONTROL_HWM)
        heartbeat(self._control, SILENCE)
        self._control.setsockopt(zmq.ROUTING_ID, self.name.encode("ascii"))
        self._control.connect(f"tcp://{self.fleet.host}:{self.fleet.port}")
        self.fleet.watch(self._control, self)
        self.turn()

    def turn(self) -> None:
        """Do all that can be done without waiting."""
        while True:
            if not self._greeted:
                self._greeted = self._say(self.fleet.hello)
            self._work()
            if not readable(self._control):
                return
            self._hear(wire.from_trainer(self._control.recv(NOBLOCK)))

    def _say(self, message: wire.Message) -> bool:
        if not writable(self._control):
            return False
        self._control.send(wire.encode(message), NOBLOCK)
        return True

    def _hear(self, message: wire.FromTrainer) -> None:
        fleet = self.fleet
        if isinstance(message, wire.Grants):
            fleet.messages += 1
            if self._pushed_at:
                fleet.latencies.append(time.monotonic() - self._pushed_at)
            self.hand.extend(message.grants)
        elif isinstance(message, wire.Welcome):
            self.welcome = message
            ready = _messages.ready(message, DATA.classes, DATA.counts(), DATA.fingerprint())
            self._say(ready)
            self._data = self._socket(zmq.PUSH, DATA_HWM)
            self._data.setsockopt(zmq.SNDBUF, NEAR_BYTES)
            self._data.connect(f"tcp://{fleet.host}:{message.data_port}")
            fleet.watch(self._data, self)
            self._beat()
        elif isinstance(message, wire.Alive):
            if self.hand and message.lease == self.hand[0].lease:
                self._answered += 1
                self._ask()
        elif isinstance(message, wire.Fin):
            self._say(wire.Bye(run=message.run, unstarted=[]))
        else:
            raise SystemExit(f"the trainer said {message}")

    def _beat(self) -> None:
        assert self.welcome is not None
        self._say(wire.Heartbeat(run=self.welcome.run, doing="ready-made samples"))
        self.fleet.at(time.monotonic() + self.welcome.heartbeat, self._next_beat)

    def _next_beat(self) -> None:
        self._beat()
        self.turn()  # whatever touches a socket may have used up what would have woken us

    def _ask(self) -> None:
        """In a careful lease: announce the next record, and wait until that was heard."""
        grant, welcome = self.hand[0], self.welcome
        assert welcome is not None
        if self._answered < len(grant.records):
            record = grant.records[self._answered]
            self._say(wire.Heartbeat(run=welcome.run, lease=grant.lease, record=record, ask=True))

    def _work(self) -> None:
        work = self.fleet.work
        while self.hand:
            grant = self.hand[0]
            if not self._begun:
                self._begun, self._answered = True, 0
                if grant.careful:
                    self._ask()
                if work:
                    self._done_at = time.monotonic() + work * len(grant.records)
                    self.fleet.at(self._done_at, self.turn)
            if grant.careful and self._answered < len(grant.records):
                return
            if work and time.monotonic() < self._done_at:
                return
            if not self._push(grant):
                return  # the socket tells when it takes more
            self.hand.popleft()
            self._begun = False

    def _push(self, grant: wire.Grant) -> bool:
        assert self.welcome is not None and self._data is not None
        if not writable(self._data):
            return False
        fleet = self.fleet
        stages = wire.Stages(transform=fleet.work * len(grant.records))
        header = _messages.result(self.welcome, self.name, grant, fleet.specs, stages)
        payload = fleet.payload(grant.records, self.welcome.patches[grant.split])
        self._data.send(wire.encode(header), NOBLOCK | zmq.SNDMORE)
        self._data.send(payload, copy=False)
        fleet.leases += 1
        self._pushed_at = time.monotonic()
        return True


if __name__ == "__main__":
    ADDRESS, COUNT, SIZE, WORK = sys.argv[1:]
    fleet = Fleet(ADDRESS, int(COUNT), int(SIZE), float(WORK))
    fleet.run()
    os._exit(0)  # thousands of sockets, and nobody is left to hear of them
