"""The trainer's side of the wire: grants leases, receives and commits them.

- Every turn of the loop takes all messages that have come (a burst at most), then grants what
  there is room for, one LEASE message a generator: the cost of a wake-up is shared by many leases.
- **Who waits, works**: while the consumer waits for a delivery, it takes the turns itself; a
  thread of our own takes them while the consumer is busy. At full load no thread wakes another.
- Deliveries go to the consumer through a deque, in the order of `Leases`, a burst at a time; what
  it has handed to `fit` comes back through another.
- A peer's message can do no more than be used, raise a counter, or be answered with RESET or
  REJECT.
- `explain` says in one sentence what the stream waits for, and what would help.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from lib.errors import DataError, ProtocolError, PushFitError, StreamClosed
from lib.plan.leases import Lease, Leases, Lost, Verdict
from lib.plan.order import Plan
from lib.tasks import identity
from lib.tasks.base import ArraySpec, DataSet
from lib.trainer.roster import Peer, Reference, Roster
from lib.wire import protocol as wire
from lib.wire.protocol import State
from lib.wire.transport import TrainerSockets

TICK_SECONDS = 0.1
LEND_SECONDS = 0.002  # how long the dispatcher's thread leaves the sockets to the consumer
BURST = 64  # messages taken from one socket before the other gets its turn
FAREWELL_SECONDS = 2.0  # for the fleet's answers to FIN
PATIENCE_SECONDS = 10.0  # a wait is explained after this long, …
REMIND_SECONDS = 30.0  # … and again so often

log = logging.getLogger("pushfit.trainer")


class Job(msgspec.Struct, frozen=True):
    """What the fleet is told of a run."""

    run: str
    task: str
    params: dict[str, Any]
    seed: int
    patches: dict[str, int]
    heartbeat: float = 1.0
    silence: float = 5.0


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """A received lease: arrays of (count·K, *shape) each, read-only; visits that are bad."""

    lease: Lease
    arrays: tuple[np.ndarray, ...]
    bad: list[wire.Bad]


class Dispatcher:
    """Start it, iterate over `deliveries()`, give every lease back with `handed`, close it.

    `make_leases(reference)` is called once, when the data set is known. `quarantine(row)` is called
    for each bad record of an epoch, in the dispatcher's thread.
    """

    def __init__(
        self,
        sockets: TrainerSockets,
        job: Job,
        specs: tuple[ArraySpec, ...],
        make_leases: Callable[[Reference], Leases],
        *,
        own_data: DataSet | None = None,
        quarantine: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.job, self._layout = job, wire.Layout(specs)
        self.faults: Counter[str] = Counter()
        self.roster = Roster(identity.libraries(), identity.source_hash(), own_data)
        self._sockets, self._make_leases, self._quarantine = sockets, make_leases, quarantine
        self._leases: Leases | None = None
        self._results: dict[int, Delivery] = {}  # received, not yet deliverable
        self._ready: deque[list[Delivery]] = deque()
        self._handed: deque[Lease] = deque()
        self._known = threading.Event()
        self._baton = threading.Lock()  # who holds it may use the sockets
        self._wanted = False  # the consumer waits for the baton, or has it
        self._pumped = 0.0  # when the consumer last gave it back
        self._hungry: dict[str, None] = {}  # generators with room in their hand, in turn
        self._starved = False  # the budget is full: a lease handed on lets the next be granted
        self.failure: PushFitError | None = None  # what ended the stream before its time
        self._closing = False
        self._quarantined: set[tuple[str, int, int]] = set()
        self._warned: Counter[str] = Counter()
        self._next_tick = self._next_beat = 0.0
        self._alive = wire.encode(wire.Alive(run=job.run))
        self._reset = wire.encode(wire.Reset(run=job.run))
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        if self.roster.reference is not None:
            self._adopt(self.roster.reference)

    # -- the consumer's side --------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def reference(self, say: Callable[[str], None]) -> Reference:
        """The run's data set; waits for the first generator where the trainer has none."""
        if not self._known.is_set():
            say(f"no data on this machine: classes come from the first generator. {self._how()}")
        while not self._known.wait(TICK_SECONDS):
            self._raise_failure()
        self._raise_failure()
        assert self.roster.reference is not None
        return self.roster.reference

    @property
    def plan(self) -> Plan:
        assert self._leases is not None
        return self._leases.plan

    def deliveries(self) -> Iterator[Delivery]:
        """Every lease of the run, in order. Ends with the run; raises what ended it early."""
        assert self._leases is not None
        left = sum(segment.visits for segment in self._leases.plan.segments)
        while left:
            for delivery in self._next():
                left -= delivery.lease.count
                yield delivery

    def _next(self) -> list[Delivery]:
        patience = PATIENCE_SECONDS
        started = time.monotonic()
        while not self._ready:
            self._raise_failure()
            self._pump()
            waited = time.monotonic() - started
            if waited > patience:
                log.warning("waiting for %.0f s: %s", waited, self.explain())
                patience += REMIND_SECONDS
        return self._ready.popleft()

    def _raise_failure(self) -> None:
        if self._closing:
            raise StreamClosed("the stream was closed")
        if self.failure is not None:
            raise self.failure

    def handed(self, lease: Lease) -> None:
        """Every sample of `lease` has gone into a batch. Any thread may call this."""
        self._handed.append(lease)
        if self._starved:
            self._starved = False
            self._sockets.wake()

    def abort(self, error: PushFitError) -> None:
        """End the stream: whoever waits for a delivery gets `error`. Any thread may call this."""
        self._fail(error)

    def close(self, *, done: bool, reason: str) -> None:
        """Tell the fleet that the run is over (or interrupted), and stop. Safe to call twice."""
        if self._closing:
            return
        self._closing = True
        self._known.set()
        self._sockets.wake()
        if self._thread.is_alive():
            self._thread.join()
        with self._baton:
            self._farewell(wire.encode(wire.Fin(run=self.job.run, done=done, reason=reason)))
            self._sockets.close()

    def _farewell(self, fin: bytes) -> None:
        """Say FIN to all, and stay until each has said BYE.

        A generator's DEALER (with IMMEDIATE) drops what it has not read when its peer closes: FIN
        would be lost to whoever is drawing a patch at that moment.
        """
        waiting = {name for name in self._connected() if self._sockets.send_control(name, fin)}
        until = time.monotonic() + FAREWELL_SECONDS
        while waiting and time.monotonic() < until:
            self._sockets.poll(TICK_SECONDS)
            while self._sockets.receive_data() is not None:
                pass  # nobody wants it any more, but a full pipe would keep its sender waiting
            while (received := self._sockets.receive_control()) is not None:
                name, frame = received
                with suppress(ProtocolError):
                    message = wire.from_generator(frame)
                    if isinstance(message, wire.Hello):  # came too late: no need to wait for more
                        self._sockets.send_control(name, fin)
                    elif isinstance(message, wire.Bye):
                        waiting.discard(name)

    # -- what it knows --------------------------------------------------------------------------

    @property
    def generators(self) -> int:
        """Generators at work now."""
        return len(self._leases.members) if self._leases else 0

    @property
    def charged(self) -> int:
        """Bytes granted or received and not yet handed to `fit`."""
        return self._leases.charged if self._leases else 0

    def explain(self) -> str:
        """What the stream waits for, and what would help."""
        if not self.generators:
            return f"no generator is connected. {self._how()}"
        lease = self._leases.waiting_for if self._leases else None
        if lease is None:
            return "results are in and wait for their turn"
        holders = [self.roster.peers[name] for name in list(lease.grants.values())]
        where = " and ".join(f"{p.label} at {p.doing or 'its first file'}" for p in holders)
        return (
            f"lease {lease.id} ({lease.segment.split} epoch {lease.segment.epoch}, visits "
            f"{lease.start}–{lease.start + lease.count - 1}) is with {where or 'nobody yet'}"
        )

    def _how(self) -> str:
        return (
            "Start one with: python generator_zmq.py --connect "
            f"tcp://THIS-HOST:{self._sockets.control_port}"
        )

    def _connected(self) -> list[str]:
        here = (State.WELCOMED, State.LEASING, State.DRAINING)
        return [name for name, peer in self.roster.peers.items() if peer.state in here]

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing and self.failure is None:
            if self._wanted or time.monotonic() - self._pumped < LEND_SECONDS:
                time.sleep(LEND_SECONDS)
                continue
            with self._baton:
                self._turn()

    def _pump(self) -> None:
        """Take a turn in the consumer's thread."""
        self._wanted = True
        if not self._baton.acquire(blocking=False):
            self._sockets.wake()
            self._baton.acquire()
        try:
            if not self._closing:
                self._turn()
        finally:
            self._pumped = time.monotonic()
            self._wanted = False
            self._baton.release()

    def _turn(self) -> None:
        try:
            self._sockets.poll(TICK_SECONDS)
            now = time.monotonic()
            self._take_data(now)
            self._take_control(now)
            self._take_handed()
            if now >= self._next_tick:
                self._next_tick = now + TICK_SECONDS
                self._tick(now)
            self._grant(now)
        except PushFitError as error:
            self._fail(error)
        except Exception as error:  # a defect of ours must end the run, not hang it
            log.exception("the dispatcher failed")
            self._fail(PushFitError(f"internal error in the dispatcher: {error!r}"))

    def _fail(self, error: PushFitError) -> None:
        self.failure = error
        self._known.set()

    def _take_data(self, now: float) -> None:
        if self._leases is None:
            return
        ready: list[Delivery] = []
        for _ in range(BURST):
            received = self._sockets.receive_data()
            if received is None:
                break
            try:
                ready += self._on_lease(*received, now)
            except ProtocolError as error:
                self._blame("data", error)
        if ready:
            self._ready.append(ready)

    def _on_lease(self, head: bytes, frames: list[Any], now: float) -> list[Delivery]:
        assert self._leases is not None
        header = wire.data_header(head)
        if header.run != self.job.run:
            self.faults["foreign_run"] += 1
            return []
        self._leases.heard(header.generator, now)
        lease = self._leases.find(header.lease)
        arrays: tuple[np.ndarray, ...] = ()
        if lease is not None:
            if (header.first, header.count) != (lease.start, lease.count):
                raise ProtocolError(f"lease {header.lease} does not have the visits granted")
            arrays = self._layout.arrays(header, frames, lease.segment.patches)
        stages = header.stages
        seconds = stages.decode + stages.transform + stages.wait
        verdict, ready = self._leases.receive(
            header.generator, header.lease, header.fence, seconds, now
        )
        if header.generator in self._leases.members:
            self._hungry.setdefault(header.generator)
        if verdict is not Verdict.ACCEPTED or lease is None:
            self.faults[verdict.value] += 1
            return []
        self._results[lease.id] = Delivery(lease, arrays, header.bad)
        peer = self.roster.peers[header.generator]
        peer.worked(header, lease.count * lease.segment.patches, lease.nbytes)
        if header.bad:
            self._note_bad(peer, lease, header.bad)
        return [self._results.pop(one.id) for one in ready]

    def _note_bad(self, peer: Peer, lease: Lease, bad: list[wire.Bad]) -> None:
        segment = lease.segment
        for one in bad:
            self.faults["bad_visits"] += 1
            key = segment.split, segment.epoch, one.record
            if key not in self._quarantined and self._quarantine is not None:
                self._quarantined.add(key)
                row = {"host": peer.host, "path": one.path, "reason": one.reason}
                self._quarantine({**row, "split": segment.split, "epoch": segment.epoch})

    def _take_control(self, now: float) -> None:
        for _ in range(BURST):
            received = self._sockets.receive_control()
            if received is None:
                break
            name, frame = received
            try:
                message = wire.from_generator(frame)
                peer = self.roster.hear(name, message, now)
            except ProtocolError as error:
                self._blame(name, error)
                self._sockets.send_control(name, self._reset)
                continue
            if self._leases is not None:
                self._leases.heard(name, now)
            self._on_message(peer, message, now)

    def _on_message(self, peer: Peer, message: wire.FromGenerator, now: float) -> None:
        if isinstance(message, wire.Hello):
            self._withdraw(peer, "said hello again")
            if reason := self.roster.greet(peer):
                self._reject(peer, reason)
            else:
                self._send(peer, self._welcome(), now)
        elif message.run != self.job.run:
            self._sockets.send_control(peer.name, self._reset)
            peer.state = State.UNKNOWN
        elif isinstance(message, wire.Ready):
            self._on_ready(peer, message, now)
        elif isinstance(message, wire.Heartbeat):
            peer.doing = message.doing
        elif isinstance(message, wire.Fail):
            self._on_fail(peer, message, now)
        elif self._leases is not None:
            self._leases.drain(peer.name, message.unstarted)
            log.info("%s is leaving", peer.label)

    def _welcome(self) -> wire.Welcome:
        job, reference = self.job, self.roster.reference
        return wire.Welcome(
            run=job.run,
            task=job.task,
            params=job.params,
            seed=job.seed,
            patches=job.patches,
            data_port=self._sockets.data_port,
            heartbeat=job.heartbeat,
            silence=job.silence,
            fingerprint=reference.fingerprint if reference else "",
        )

    def _on_ready(self, peer: Peer, ready: wire.Ready, now: float) -> None:
        if reason := self.roster.admit(peer, ready):
            self._reject(peer, reason)
            return
        if self._leases is None:
            assert self.roster.reference is not None
            self._adopt(self.roster.reference)
        assert self._leases is not None and peer.hello is not None
        self._leases.join(peer.name, peer.hello.slots, now)
        self._hungry.setdefault(peer.name)
        log.info("%s joined: %s now", peer.label, _count(self.generators, "generator"))

    def _adopt(self, reference: Reference) -> None:
        self._leases = self._make_leases(reference)
        self._known.set()

    def _on_fail(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        if peer.state is State.REJECTED:
            log.warning("%s cannot take part: %s", peer.label, fail.reason)
            peer.left = now
            return
        assert self._leases is not None
        if not fail.retry:
            raise DataError(f"{peer.label}: {fail.reason}")
        self.faults["unreadable"] += 1
        given_up = self._leases.unreadable(peer.name, fail.lease, fail.fence, fail.record, now)
        what = "it is replaced" if given_up else "trying another generator"
        log.warning("%s cannot read %s: %s", peer.label, fail.reason, what)
        self._hungry.setdefault(peer.name)

    def _reject(self, peer: Peer, reason: str) -> None:
        log.warning("rejected %s", reason)
        self.faults["rejected"] += 1
        peer.state = State.REJECTED
        self._sockets.send_control(peer.name, wire.encode(wire.Reject(reason=reason)))

    def _blame(self, who: str, error: ProtocolError) -> None:
        """Count a protocol error; name the first few of each sender."""
        self.faults["protocol_errors"] += 1
        self._warned[who] += 1
        if self._warned[who] <= 3:
            log.warning("ignored a message from %s: %s", who, error)

    def _take_handed(self) -> None:
        while self._handed and self._leases is not None:
            self._leases.handed(self._handed.popleft())

    def _tick(self, now: float) -> None:
        if self._leases is None:
            return
        for lost in self._leases.expire(now):
            self._note_lost(lost, now)
        for name in self._leases.members:
            self._hungry.setdefault(name)
        if now >= self._next_beat:
            self._next_beat = now + self.job.heartbeat
            for name in self._connected():
                if not self._sockets.send_control(name, self._alive):
                    self._lose(name, "its connection closed", now)

    def _note_lost(self, lost: Lost, now: float) -> None:
        self.faults[f"lease_{lost.why}"] += 1
        peer = self.roster.peers[lost.generator]
        if lost.why == "silent":
            peer.state, peer.left = State.UNKNOWN, now
        log.warning("%s was %s: lease %d goes to another", peer.label, lost.why, lost.lease.id)

    def _lose(self, name: str, why: str, now: float) -> None:
        """The connection is gone: what the generator held goes to others at once."""
        peer = self.roster.peers[name]
        self.faults["generators_lost"] += peer.state is State.LEASING
        self._withdraw(peer, why)
        peer.state, peer.left = State.UNKNOWN, now

    def _withdraw(self, peer: Peer, why: str) -> None:
        if self._leases is None or peer.name not in self._leases.members:
            return
        lost = self._leases.leave(peer.name)
        self._hungry.pop(peer.name, None)
        held = _count(len(lost), "lease")
        log.info("%s left (%s); %s to be granted again", peer.label, why, held)

    def _send(self, peer: Peer, message: wire.Message, now: float) -> None:
        if not self._sockets.send_control(peer.name, wire.encode(message)):
            self._lose(peer.name, "it cannot be reached", now)

    # -- granting -------------------------------------------------------------------------------

    def _grant(self, now: float) -> None:
        if self._leases is None:
            return
        for name in list(self._hungry):
            granted = self._leases.grant(name, now)
            if granted:
                grants = [self._wire_grant(lease) for lease in granted]
                message = wire.Lease(run=self.job.run, grants=grants)
                self._send(self.roster.peers[name], message, now)
                self._hungry.pop(name, None)  # to the end of the line, if it still wants some
                if self._leases.full and name in self._leases.members:
                    self._hungry[name] = None
            elif not self._leases.full:
                self._hungry.pop(name, None)
            else:
                self._starved = True
                if self._handed:  # handed on before `_starved` could be seen: look again
                    self._sockets.wake()
                break

    def _wire_grant(self, lease: Lease) -> wire.Grant:
        segment, plan = lease.segment, self.plan
        records = plan.records(segment)[lease.start : lease.start + lease.count]
        return wire.Grant(
            lease.id,
            lease.fence,
            segment.split,
            plan.patch_epoch(segment),
            lease.start,
            records.tolist(),
            sorted(lease.bad),
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
