"""What a trainer does with the messages of its fleet, a turn at a time. No thread, no waiting.

- A turn takes all messages that have come (a burst at most), then grants what there is room for,
  one GRANTS message a generator: the cost of a wake-up is shared by many leases.
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
from typing import Any

import numpy as np

from pushfit.dispatch import waiting
from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.claims import Limits
from pushfit.dispatch.discredited import Discredited
from pushfit.dispatch.heartbeat import Heartbeats
from pushfit.dispatch.job import Job
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.dispatch.work import Work
from pushfit.errors import DataError, ProtocolError
from pushfit.feed.source import Delivery, Reference
from pushfit.health import Health
from pushfit.plan.leases import Lease, Leases, Verdict
from pushfit.tasks import compatibility
from pushfit.tasks.base import ArraySpec, DataSet
from pushfit.text import counted
from pushfit.wire import protocol as wire
from pushfit.wire.arrays import ArrayLayout
from pushfit.wire.connections import Origin
from pushfit.wire.protocol import State
from pushfit.wire.transports import TrainerTransport

TICK_SECONDS = 0.1
HOPELESS = 5  # messages that the protocol does not allow, before their sender is told to end
BURST = 64  # messages taken from one socket before the other gets its turn

log = logging.getLogger("pushfit.trainer")


class Exchange:
    """The trainer's end of the wire. One thread at a time may call it.

    `make_leases(reference)` is called when the data set is known. It is `settled` with the first
    good lease: a generator that goes before that takes its data set along. `bad` hears of bad
    records.
    specs: the arrays of a sample; None: `learn` tells them once the data set is known, from which
    they follow.
    `health` is where it notes that it listens to its fleet. libraries, limits: see `Task`.
    """

    def __init__(
        self,
        sockets: TrainerTransport,
        job: Job,
        specs: tuple[ArraySpec, ...] | None,
        make_leases: Callable[[Reference], Leases],
        *,
        own_data: DataSet | None = None,
        libraries: tuple[str, ...] = (),
        limits: Callable[[int], Limits] = lambda _: {},
        reference: Reference | None = None,
        learn: Callable[[Reference], tuple[ArraySpec, ...]] | None = None,
        bad: BadRecords | None = None,
        health: Health | None = None,
    ) -> None:
        self.job, self._layout = job, ArrayLayout(specs or ())
        self._learn = learn
        self.faults: Counter[str] = Counter()
        self.backups: Counter[str] = Counter(made=0, duplicate=0)  # leases made twice on purpose
        self.roster = Roster(compatibility.libraries(libraries), job.source, own_data, reference)
        self._work: Work | None = None  # until the data set is known
        self.settled = self.roster.reference is not None  # the data set stays the run's
        self.ready: deque[list[Delivery]] = deque()
        self.handed: deque[Lease] = deque()
        self.starved = False  # the budget is full: a lease handed on lets the next be granted
        self._sockets, self._make_leases, self._bad = sockets, make_leases, bad or BadRecords()
        self._limits = limits
        self._health = health or Health("")
        self._lines = MeasuredLog()
        self._misbehaving = MisbehavingPeers(sockets, self.faults, self._lines)
        self._discredited = Discredited(self.roster, self._misbehaving)
        self._heartbeats = Heartbeats(
            sockets, job.run, job.heartbeat, job.expiry, TICK_SECONDS, lambda: self.need
        )
        self.absent = 0.0  # seconds in which no generator was at work, once there was work
        self._next_tick = self._next_look = 0.0
        self._ticked: float | None = None
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
        if (work := self._work) is not None:
            for name, grants in work.queue.serve(now):
                self._send(self.roster.peers[name], grants, now)
            if work.queue.starved:
                self.starved = True
                if self.handed:  # handed on before that could be seen: look again
                    self._sockets.wake()

    # -- what it knows --------------------------------------------------------------------------

    @property
    def leases(self) -> Leases | None:
        """The run's leases; None until its data set is known."""
        return self._work.leases if self._work else None

    @property
    def generators(self) -> int:
        """Generators at work now."""
        return len(self.leases.members) if self.leases else 0

    @property
    def need(self) -> wire.Need:
        """What generators that may work for another run instead want to know of this one."""
        coming = len(self.roster.waiting()[0])
        if self._work is None:
            return wire.Need(coming, True)
        working = sum(not member.draining for member in self._work.leases.members.values())
        return wire.Need(working + coming, self._work.queue.wants)

    def connected(self) -> list[str]:
        """Names of the generators that would hear us."""
        here = (State.WELCOMED, State.LEASING, State.DRAINING)
        return [name for name, peer in self.roster.peers.items() if peer.state in here]

    def how(self) -> str:
        """The command that starts a generator."""
        return waiting.how(self._sockets)

    def explain(self) -> str:
        """What the stream waits for, and what would help."""
        return waiting.waits_for(self.leases, self.roster, self.how())

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
                self._misbehaving.blame(origin, "the data port", error)
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
            self._misbehaving.impostor(origin, peer.label)
            return []
        if (work := self._work) is None:
            raise ProtocolError("a lease before the data set was known")
        leases = work.leases
        lease = leases.find(header.lease)
        arrays: tuple[np.ndarray, ...] = ()
        if lease is not None:
            if (header.first, header.count) != (lease.start, lease.count):
                raise ProtocolError(f"lease {header.lease} does not have the visits granted")
            arrays = self._layout.arrays(header, frames, lease.segment.patches)
            work.claims.check(lease, header, arrays)
        stages = header.stages
        seconds = stages.decode + stages.transform + stages.wait + stages.pack
        bad = {one.record for one in header.bad}
        verdict, ready = leases.receive(
            *(header.generator, header.lease, header.fence, seconds, now),
            *(bad, work.lost.untold(lease, header.bad)),
        )
        member = leases.members.get(header.generator)
        if member is not None and member.wants:
            work.queue.add(header.generator)
        if verdict is not Verdict.ACCEPTED or lease is None:
            counts = self.backups if verdict is Verdict.DUPLICATE else self.faults
            counts[verdict.value] += 1
            return []
        self.settled = True
        weight = sum(map(len, frames))
        work.results[lease.id] = Delivery(lease, arrays, header.bad)
        assert peer is not None  # its grant stood, so it is a member
        peer.worked(header, lease.count * lease.segment.patches, lease.nbytes, weight)
        if header.bad:
            work.lost.bad(peer, lease, header.bad)
        for wrong, reason in self._discredited.by(lease, leases):
            self._withdraw(wrong, "what it says is not so", now)
            self._reject(wrong, reason, now)
        return [work.results.pop(one.id) for one in ready]

    def _take_control(self, now: float) -> None:
        for _ in range(BURST):
            received = self._sockets.receive_control()
            if received is None:
                break
            name, frame, origin = received
            known = self.roster.peers.get(name)
            if known is not None and known.user != origin.user:
                self._misbehaving.impostor(origin, known.label)
                continue
            try:
                message = wire.from_generator(frame)
                peer = self.roster.hear(name, message, now, origin.user)
                if isinstance(message, wire.Hello):
                    peer.who = self._sockets.who(origin)
                self._on_message(peer, message, now)
                if peer.state is State.REJECTED:
                    self._misbehaving.rejected(origin)
            except ProtocolError as error:
                if self._misbehaving.blame(origin, name, error) == HOPELESS:
                    self._answer_hopeless(name, error)
                else:
                    self._reset_peer(name, now)

    def _on_message(self, peer: Peer, message: wire.FromGenerator, now: float) -> None:
        if isinstance(message, wire.Hello):
            peer.doing = ""
            self._withdraw(peer, "said hello again", now)
            if reason := self._discredited.refusal(peer) or self.roster.greet(peer):
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
            self._tell("leaving", f"{peer.label} is leaving", peer)
        if peer.state is State.UNKNOWN:
            self.roster.gone(peer, now)

    def _reset_peer(self, name: str, now: float) -> None:
        """Have a peer that spoke out of turn begin again at hello, with nothing in its hands."""
        if peer := self.roster.peers.get(name):
            self._withdraw(peer, "spoke out of turn", now)
            peer.state = State.UNKNOWN
            self.roster.gone(peer, now)
        self._sockets.send_control(name, self._reset)

    def _answer_hopeless(self, name: str, error: ProtocolError) -> None:
        """A peer that means well and cannot be understood must hear of it, or it begins for ever"""
        reason = f"this trainer does not understand it: {error}"
        self._sockets.send_control(name, wire.encode(wire.Reject(reason=reason[:4096])))

    def _welcome(self) -> wire.Welcome:
        # Whose data set may still be dropped does not know that of others without its listing.
        reference = self.roster.reference if self.settled else None
        return self.job.welcome(
            data_port=self._sockets.data_port,
            heartbeat=self._heartbeats.interval(self.generators),
            fingerprint=reference.fingerprint if reference else "",
            need=self.need,
        )

    def _on_ready(self, peer: Peer, ready: wire.Ready, now: float) -> None:
        peer.doing = ""
        self._drop_data(now)
        if reason := self.roster.admit(peer, ready):
            self._reject(peer, reason, now)
            return
        if (work := self._work) is None:
            assert self.roster.reference is not None
            try:
                work = self._adopt(self.roster.reference)
            except DataError as error:  # of no use to anyone: not the data set of this run
                self.roster.reference = None
                self._reject(peer, f"{peer.label}: {error}", now)
                return
        assert peer.hello is not None
        work.leases.join(peer.name, peer.hello.slots, now, peer.who, peer.host)
        peer.worked_here = True
        work.queue.add(peer.name)
        same = sum(self.roster.peers[name].user == peer.user for name in work.leases.members)
        self._lines.here(peer.user, same)
        there = counted(self.generators, "generator")
        self._tell("joined", f"{peer.label} joined: {there} now", peer)

    def _adopt(self, reference: Reference) -> Work:
        """The data set of the run is known. Raises DataError where it is of no use."""
        if self._learn is not None:
            self._layout = ArrayLayout(self._learn(reference))
        limits = self._limits(len(reference.classes))
        given = reference, limits, self.roster, self.faults, self._bad, self._lines
        self._work = Work(self.job.run, self._make_leases(reference), *given)
        return self._work

    def _drop_data(self, now: float) -> None:
        """Whoever brought the data set is gone without a good lease: the next may bring another."""
        if self.settled or self.leases is None:
            return
        members = self.leases.members
        if any(member.able or member.hand for member in members.values()):
            return
        assert self.roster.reference is not None
        log.warning(
            "%s, whose data set was to be the run's, is gone without a good lease: the next "
            "generator brings its own",
            self.roster.reference.origin,
        )
        for name in list(members):
            self._reset_peer(name, now)
        self._work = self.roster.reference = None

    def _on_fail(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        if peer.state is State.REJECTED:
            self.roster.turned_away = f"{peer.label} cannot take part: {fail.reason}"
            self._lines.say("cannot take part", self.roster.turned_away, user=peer.user)
            self.roster.gone(peer, now)
            return
        assert self._work is not None
        self._work.queue.add(peer.name)
        self._work.lost.failed(peer, fail, now)

    def _reject(self, peer: Peer, reason: str, now: float) -> None:
        self.roster.turned_away = f"rejected was {reason}"
        self._misbehaving.turned_away(reason)
        self.faults["rejected"] += 1
        peer.state = State.REJECTED
        self._sockets.send_control(peer.name, wire.encode(wire.Reject(reason=reason[:4096])))
        self.roster.gone(peer, now)

    def _take_handed(self) -> None:
        while self.handed and self.leases is not None:
            self.leases.handed(self.handed.popleft())

    def _tick(self, now: float) -> None:
        self._health.beat(now, f"{self.generators} generators at work")
        self._misbehaving.look()
        self._lines.look()
        if self._ticked is not None and self.leases is not None and not self.generators:
            self.absent += now - self._ticked
        self._ticked = now
        if (work := self._work) is not None:
            work.lost.lost(work.leases.expire(now))
            while backup := work.leases.backup(now):
                name, lease = backup
                self.backups["made"] += 1
                self._send(self.roster.peers[name], work.queue.message([lease]), now)
            for name in work.leases.idle():  # a lease may have come back since they were asked
                work.queue.add(name)
        if now >= self._next_look:
            self._next_look = now + self.job.heartbeat
            self._disconnect_revoked(now)
        if gone := self._heartbeats.beat(self.connected, now):
            self._take_control(now)  # what they said before they went is here by now: it counts
            for name in set(gone) & set(self.connected()):
                self._lose(name, "its connection closed", now)
        self._drop_data(now)

    def _lose(self, name: str, why: str, now: float) -> None:
        """The connection is gone: what the generator held goes to others at once."""
        peer = self.roster.peers[name]
        working = peer.state is State.LEASING
        self.faults["generators_lost"] += working
        self._withdraw(peer, why, now, lost=working)
        peer.state = State.UNKNOWN
        self.roster.gone(peer, now)

    def _disconnect_revoked(self, now: float) -> None:
        for user in self._sockets.revoked():
            self.faults["revoked"] += 1
            log.warning("the key %s is not admitted any more: disconnected", user)
            for peer in list(self.roster.peers.values()):
                if peer.user == user and peer.state is not State.UNKNOWN:
                    self._lose(peer.name, "its key was revoked", now)

    def _withdraw(self, peer: Peer, why: str, now: float, *, lost: bool = False) -> None:
        """Take `peer` out of the fleet. lost: it did not choose to go, so its leases may be why."""
        work = self._work
        if work is None or peer.name not in work.leases.members:
            return
        held = work.leases.leave(peer.name, "lost" if lost else "left", now)
        work.queue.forget(peer.name)
        if lost and held:
            work.lost.lost(held)
        back = counted(len(held), "lease")
        self._tell("left", f"{peer.label} left ({why}); {back} to be granted again", peer)

    def _tell(self, kind: str, text: str, peer: Peer) -> None:
        self._lines.say(kind, text, user=peer.user, level=logging.INFO)

    def _send(self, peer: Peer, message: wire.Message, now: float) -> None:
        if not self._sockets.send_control(peer.name, wire.encode(message)):
            # The socket knows no way to it: its connection closed a moment ago, and the pulse would
            # have said so. Which of the two comes first is chance; the fact is the same.
            self._lose(peer.name, "its connection closed", now)
