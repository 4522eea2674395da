"""What a trainer does with the messages of its fleet, a turn at a time. No thread, no waiting.

- A turn takes all messages that have come (a burst at most), then grants what there is room for,
  one LEASE message a generator: the cost of a wake-up is shared by many leases.
- What becomes deliverable goes into `ready`, a burst at a time; what the consumer has handed to
  `fit` comes back through `handed`.
- A peer's message can do no more than be used, raise a counter, or be answered with RESET or
  REJECT.
- `explain` says in one sentence what the stream waits for, and what would help.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from lib.errors import DataError, ProtocolError
from lib.health import Health
from lib.plan.leases import Lease, Leases, Verdict
from lib.tasks import identity
from lib.tasks.base import ArraySpec, DataSet
from lib.trainer import explain
from lib.trainer.badlist import BadList
from lib.trainer.grants import Grants
from lib.trainer.losses import Losses
from lib.trainer.pulse import Pulse
from lib.trainer.roster import Peer, Reference, Roster
from lib.trainer.strangers import Strangers
from lib.wire import protocol as wire
from lib.wire.connections import Origin
from lib.wire.protocol import State
from lib.wire.transport import TrainerSockets

TICK_SECONDS = 0.1
BURST = 64  # messages taken from one socket before the other gets its turn

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
    expiry: float = 30.0
    compress: Literal["none", "auto", "zstd"] = "none"
    source: str = ""


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """A received lease: arrays of (count·K, *shape) each, read-only; visits that are bad."""

    lease: Lease
    arrays: tuple[np.ndarray, ...]
    bad: list[wire.Bad]


class Exchange:
    """The trainer's end of the wire. One thread at a time may call it.

    `make_leases(reference)` is called once, when the data set is known. `bad` hears of each bad
    record of an epoch. `health` is where it notes that it listens to its fleet.
    """

    def __init__(
        self,
        sockets: TrainerSockets,
        job: Job,
        specs: tuple[ArraySpec, ...],
        make_leases: Callable[[Reference], Leases],
        *,
        own_data: DataSet | None = None,
        reference: Reference | None = None,
        bad: BadList | None = None,
        health: Health | None = None,
    ) -> None:
        self.job, self._layout = job, wire.Layout(specs)
        self.faults: Counter[str] = Counter()
        self.roster = Roster(identity.libraries(), identity.source_hash(), own_data, reference)
        self.leases: Leases | None = None  # None until the data set is known
        self.ready: deque[list[Delivery]] = deque()
        self.handed: deque[Lease] = deque()
        self.starved = False  # the budget is full: a lease handed on lets the next be granted
        self._sockets, self._make_leases, self._bad = sockets, make_leases, bad or BadList()
        self._results: dict[int, Delivery] = {}  # received, not yet deliverable
        self._health = health or Health("")
        self._strangers = Strangers(sockets, self.faults)
        self._pulse = Pulse(
            sockets, job.run, job.heartbeat, job.expiry, TICK_SECONDS, lambda: self.need
        )
        self._next_tick = self._next_look = 0.0
        self._reset = wire.encode(wire.Reset(run=job.run))
        if self.roster.reference is not None:
            self._adopt(self.roster.reference)

    def turn(self) -> None:
        """Wait for messages, at most TICK_SECONDS; take them; grant. Raises PushFitError."""
        data, control = self._sockets.poll(TICK_SECONDS)
        now = time.monotonic()
        if data:
            self._take_data(now)
        if control:
            self._take_control(now)
        self._take_handed()
        if now >= self._next_tick:
            self._next_tick = now + TICK_SECONDS
            self._tick(now)
        if self.leases is not None:
            for name, lease in self._grants.serve(now):
                self._send(self.roster.peers[name], lease, now)
            if self._grants.starved:
                self.starved = True
                if self.handed:  # handed on before that could be seen: look again
                    self._sockets.wake()

    # -- what it knows --------------------------------------------------------------------------

    @property
    def generators(self) -> int:
        """Generators at work now."""
        return len(self.leases.members) if self.leases else 0

    @property
    def need(self) -> wire.Need:
        """What generators that may work for another run instead want to know of this one."""
        coming = len(self.roster.waiting()[0])
        if self.leases is None:
            return wire.Need(coming, True)
        working = sum(not member.draining for member in self.leases.members.values())
        return wire.Need(working + coming, self._grants.wants)

    def connected(self) -> list[str]:
        """Names of the generators that would hear us."""
        here = (State.WELCOMED, State.LEASING, State.DRAINING)
        return [name for name, peer in self.roster.peers.items() if peer.state in here]

    def how(self) -> str:
        """The command that starts a generator."""
        return explain.how(self._sockets)

    def explain(self) -> str:
        """What the stream waits for, and what would help."""
        return explain.waits_for(self.leases, self.roster, self.how())

    # -- what comes in --------------------------------------------------------------------------

    def _take_data(self, now: float) -> None:
        ready: list[Delivery] = []
        for _ in range(BURST):
            received = self._sockets.receive_data()
            if received is None:
                break
            head, frames, origin = received
            try:
                ready += self._on_lease(head, frames, origin, now)
            except ProtocolError as error:
                self._strangers.blame(origin, "the data port", error)
        if ready:
            self.ready.append(ready)

    def _on_lease(
        self, head: bytes, frames: list[Any], origin: Origin, now: float
    ) -> list[Delivery]:
        header = wire.data_header(head)
        if header.run != self.job.run:
            self.faults["foreign_run"] += 1
            return []
        peer = self.roster.peers.get(header.generator)
        if peer is not None and peer.user != origin.user:
            self._strangers.impostor(origin, peer.label)
            return []
        if self.leases is None:
            raise ProtocolError("a lease before the data set was known")
        lease = self.leases.find(header.lease)
        arrays: tuple[np.ndarray, ...] = ()
        if lease is not None:
            if (header.first, header.count) != (lease.start, lease.count):
                raise ProtocolError(f"lease {header.lease} does not have the visits granted")
            end = lease.start + lease.count
            if any(not lease.start <= bad.visit < end for bad in header.bad):
                raise ProtocolError(f"lease {header.lease} names a bad visit that it does not have")
            arrays = self._layout.arrays(header, frames, lease.segment.patches)
        stages = header.stages
        seconds = stages.decode + stages.transform + stages.wait + stages.pack
        verdict, ready = self.leases.receive(
            header.generator, header.lease, header.fence, seconds, now
        )
        member = self.leases.members.get(header.generator)
        if member is not None and member.wants:
            self._grants.queue(header.generator)
        if verdict is not Verdict.ACCEPTED or lease is None:
            self.faults[verdict.value] += 1
            return []
        weight = sum(map(len, frames))
        self._results[lease.id] = Delivery(lease, arrays, header.bad)
        assert peer is not None  # its grant stood, so it is a member
        peer.worked(header, lease.count * lease.segment.patches, lease.nbytes, weight)
        if header.bad:
            self._losses.bad(peer, lease, header.bad)
        return [self._results.pop(one.id) for one in ready]

    def _take_control(self, now: float) -> None:
        for _ in range(BURST):
            received = self._sockets.receive_control()
            if received is None:
                break
            name, frame, origin = received
            known = self.roster.peers.get(name)
            if known is not None and known.user != origin.user:
                self._strangers.impostor(origin, known.label)
                continue
            try:
                message = wire.from_generator(frame)
                peer = self.roster.hear(name, message, now, origin.user)
                self._on_message(peer, message, now)
                if peer.state is State.REJECTED:
                    self._strangers.rejected(origin)
            except ProtocolError as error:
                self._strangers.blame(origin, name, error)
                self._reset_peer(name, now)

    def _on_message(self, peer: Peer, message: wire.FromGenerator, now: float) -> None:
        if isinstance(message, wire.Hello):
            peer.doing = ""
            self._withdraw(peer, "said hello again")
            if reason := self.roster.greet(peer):
                self._reject(peer, reason, now)
            else:
                self._send(peer, self._welcome(), now)
        elif message.run != self.job.run:
            self.faults["foreign_run"] += 1
            self._reset_peer(peer.name, now)
        elif isinstance(message, wire.Ready):
            self._on_ready(peer, message, now)
        elif isinstance(message, wire.Heartbeat):
            peer.doing = message.doing
            if self.leases is not None:
                self.leases.doing(peer.name, message.lease, message.record, now)
            if message.ask:
                heard = wire.Alive(run=self.job.run, lease=message.lease, record=message.record)
                self._send(peer, heard, now)
        elif isinstance(message, wire.Fail):
            self._on_fail(peer, message, now)
        elif self.leases is not None:
            self.leases.drain(peer.name, message.unstarted)
            log.info("%s is leaving", peer.label)
        if peer.state is State.UNKNOWN:
            self.roster.gone(peer, now)

    def _reset_peer(self, name: str, now: float) -> None:
        """Have a peer that spoke out of turn begin again at hello, with nothing in its hands."""
        if peer := self.roster.peers.get(name):
            self._withdraw(peer, "spoke out of turn")
            peer.state = State.UNKNOWN
            self.roster.gone(peer, now)
        self._sockets.send_control(name, self._reset)

    def _welcome(self) -> wire.Welcome:
        job, reference = self.job, self.roster.reference
        return wire.Welcome(
            run=job.run,
            task=job.task,
            params=job.params,
            seed=job.seed,
            patches=job.patches,
            data_port=self._sockets.data_port,
            heartbeat=self._pulse.interval(self.generators),
            silence=job.silence,
            expiry=job.expiry,
            fingerprint=reference.fingerprint if reference else "",
            source=job.source,
            compress=job.compress,
            need=self.need,
        )

    def _on_ready(self, peer: Peer, ready: wire.Ready, now: float) -> None:
        peer.doing = ""
        if reason := self.roster.admit(peer, ready):
            self._reject(peer, reason, now)
            return
        if self.leases is None:
            assert self.roster.reference is not None
            try:
                self._adopt(self.roster.reference)
            except DataError as error:  # of no use to anyone: not the data set of this run
                self.roster.reference = None
                self._reject(peer, f"{peer.label}: {error}", now)
                return
        assert self.leases is not None and peer.hello is not None
        self.leases.join(peer.name, peer.hello.slots, now)
        peer.worked_here = True
        self._grants.queue(peer.name)
        log.info("%s joined: %s now", peer.label, _count(self.generators, "generator"))

    def _adopt(self, reference: Reference) -> None:
        self.leases = self._make_leases(reference)
        self._grants = Grants(self.job.run, self.leases)
        self._losses = Losses(self.leases, self.roster, self.faults, self._bad)

    def _on_fail(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        if peer.state is State.REJECTED:
            log.warning("%s cannot take part: %s", peer.label, fail.reason)
            self.roster.gone(peer, now)
            return
        assert self.leases is not None
        self._grants.queue(peer.name)
        self._losses.failed(peer, fail, now)

    def _reject(self, peer: Peer, reason: str, now: float) -> None:
        log.warning("rejected %s", reason)
        self.faults["rejected"] += 1
        peer.state = State.REJECTED
        self._sockets.send_control(peer.name, wire.encode(wire.Reject(reason=reason[:4096])))
        self.roster.gone(peer, now)

    def _take_handed(self) -> None:
        while self.handed and self.leases is not None:
            self.leases.handed(self.handed.popleft())

    def _tick(self, now: float) -> None:
        self._health.beat(now, f"{self.generators} generators at work")
        self._strangers.look()
        if self.leases is not None:
            self._losses.lost(self.leases.expire(now))
            while backup := self.leases.backup(now):
                name, lease = backup
                self.faults["backups"] += 1
                self._send(self.roster.peers[name], self._grants.message([lease]), now)
            for name in self.leases.idle():  # a lease may have come back since they were asked
                self._grants.queue(name)
        if now >= self._next_look:
            self._next_look = now + self.job.heartbeat
            self._disconnect_revoked(now)
        if gone := self._pulse.beat(self.connected, now):
            self._take_control(now)  # what they said before they went is here by now: it counts
            for name in set(gone) & set(self.connected()):
                self._lose(name, "its connection closed", now)

    def _lose(self, name: str, why: str, now: float) -> None:
        """The connection is gone: what the generator held goes to others at once."""
        peer = self.roster.peers[name]
        working = peer.state is State.LEASING
        self.faults["generators_lost"] += working
        self._withdraw(peer, why, lost=working)
        peer.state = State.UNKNOWN
        self.roster.gone(peer, now)

    def _disconnect_revoked(self, now: float) -> None:
        for user in self._sockets.revoked():
            self.faults["revoked"] += 1
            log.warning("the key %s is not admitted any more: disconnected", user)
            for peer in list(self.roster.peers.values()):
                if peer.user == user and peer.state is not State.UNKNOWN:
                    self._lose(peer.name, "its key was revoked", now)

    def _withdraw(self, peer: Peer, why: str, *, lost: bool = False) -> None:
        """Take `peer` out of the fleet. lost: it did not choose to go, so its leases may be why."""
        if self.leases is None or peer.name not in self.leases.members:
            return
        held = self.leases.leave(peer.name, "lost" if lost else "left")
        self._grants.forget(peer.name)
        if lost and held:
            self._losses.lost(held)
        log.info(
            "%s left (%s); %s to be granted again", peer.label, why, _count(len(held), "lease")
        )

    def _send(self, peer: Peer, message: wire.Message, now: float) -> None:
        if not self._sockets.send_control(peer.name, wire.encode(message)):
            self._lose(peer.name, "it cannot be reached", now)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
