"""What a trainer does with the messages of its fleet, a turn at a time. It has no thread.

- A turn takes the messages that have come (a burst at most). Then it grants leases, as far as there
  is room, in one GRANTS message for each generator: many leases share the cost of a wake-up.
- The leases that can be delivered go into `ready`, a burst at a time. The leases that the consumer
  has handed to `fit` come back through `handed`.
- A peer's message is used, raises a counter, or is answered with RESET or REJECT. It can have no
  other effect.
- `explain` says in one sentence what the stream waits for, and what would help.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pushfit.dispatch import waiting
from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.claims import Limits
from pushfit.dispatch.heartbeat import Heartbeats
from pushfit.dispatch.job import Job
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.membership import Membership
from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.dispatch.work import Work
from pushfit.errors import ProtocolError
from pushfit.feed.source import Delivery, Reference
from pushfit.health import Health
from pushfit.plan.leases import Lease, Leases, Verdict
from pushfit.tasks import compatibility
from pushfit.tasks.base import ArraySpec, DataSet
from pushfit.wire import protocol as wire
from pushfit.wire.arrays import ArrayLayout
from pushfit.wire.connections import Origin
from pushfit.wire.legal_orders import State
from pushfit.wire.transports import TrainerTransport

TICK_SECONDS = 0.1
HOPELESS = 5  # the number of invalid messages after which their sender is told to end
BURST = 64  # messages taken from one socket before the other socket gets its turn


class Exchange:
    """The trainer's end of the wire. One thread at a time may call it.

    make_leases: called with the data set when that is known; returns the run's leases.
    specs: the arrays of a sample; None: `learn` returns them once the data set is known, as they
        follow from it.
    own_data: the trainer's data set; None: it has none, and a generator brings it.
    libraries, limits: see `Task`.
    reference: the data set of the run that is resumed, where the trainer has none.
    bad: what bad records are reported to; None: they are only counted.
    health: where the exchange notes that it listens to its fleet.
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
        self.ready: deque[list[Delivery]] = deque()
        self.handed: deque[Lease] = deque()
        self.starved = False  # the budget is full: a lease that is handed on makes room for another
        self.absent = 0.0  # seconds without a generator at work, after there was one
        self._sockets, self._make_leases, self._bad = sockets, make_leases, bad or BadRecords()
        self._limits = limits
        self._health = health or Health("")
        self._lines = MeasuredLog()
        self._misbehaving = MisbehavingPeers(sockets, self.faults, self._lines)
        self._heartbeats = Heartbeats(
            sockets, job.run, job.heartbeat, job.expiry, TICK_SECONDS, lambda: self.need
        )
        self._next_tick = self._next_look = 0.0
        self._ticked: float | None = None
        self._members = Membership(
            *(sockets, job, self.roster, self.faults, self._lines, self._misbehaving),
            *(self._heartbeats, self._make_work),
        )

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
                self._members.send(self.roster.peers[name], grants, now)
            if work.queue.starved:
                self.starved = True
                if self.handed:  # a lease was handed on before `starved` was set: do not wait
                    self._sockets.wake()

    # -- what it knows --------------------------------------------------------------------------

    @property
    def _work(self) -> Work | None:
        return self._members.work

    @property
    def leases(self) -> Leases | None:
        """The run's leases; None until its data set is known."""
        return self._members.leases

    @property
    def settled(self) -> bool:
        """Return whether the data set is known and stays the run's (`Membership`)."""
        return self._members.settled

    @property
    def generators(self) -> int:
        """The number of generators that work for the run now."""
        return self._members.generators

    @property
    def need(self) -> wire.Need:
        """What a generator that may work for another run instead wants to know of this one."""
        return self._members.need

    def wanted(self, now: bool) -> None:
        """Note that the consumer waits for samples, or no longer. Any thread may call this."""
        self._members.hungry = now

    def connected(self) -> list[str]:
        """The names of the generators that can be sent a message."""
        return self._members.connected()

    @property
    def gone(self) -> set[int]:
        """The ranks of the run that each generator at work here says it does not reach any more."""
        members = self.leases.members if self.leases is not None else ()
        each = [set(self.roster.peers[name].gone) for name in members]
        return set.intersection(*each) if each else set()

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
        """Take the result of a lease. Returns what can be delivered now. Raises ProtocolError."""
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
        self._members.settled = True
        weight = sum(map(len, frames))
        work.results[lease.id] = Delivery(lease, arrays, header.bad)
        assert peer is not None  # its grant is valid, so it is a member
        peer.worked(header, lease.count * lease.segment.patches, lease.nbytes, weight)
        if header.bad:
            work.lost.bad(peer, lease, header.bad)
        self._members.reject_discredited(lease, now)
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
                    self._members.reject_hopeless(name, error)
                else:
                    self._members.reset(name, now)

    def _on_message(self, peer: Peer, message: wire.FromGenerator, now: float) -> None:
        if isinstance(message, wire.Hello):
            self._members.greet(peer, now)
        elif message.run != self.job.run:
            self.faults["foreign_run"] += 1
            self._members.reset(peer.name, now)
        elif isinstance(message, wire.Ready):
            self._members.join(peer, message, now)
        elif isinstance(message, wire.Heartbeat):
            self._on_heartbeat(peer, message, now)
        elif isinstance(message, wire.Fail):
            self._on_fail(peer, message, now)
        else:
            self._members.leave(peer, message.unstarted)
        if peer.state is State.UNKNOWN:
            self.roster.gone(peer, now)

    def _on_heartbeat(self, peer: Peer, heartbeat: wire.Heartbeat, now: float) -> None:
        peer.doing, peer.gone = heartbeat.doing, heartbeat.gone
        if self.leases is not None:
            self.leases.doing(peer.name, heartbeat.lease, heartbeat.record, now)
        if heartbeat.ask:
            heard = wire.Alive(run=self.job.run, lease=heartbeat.lease, record=heartbeat.record)
            self._members.send(peer, heard, now)

    def _on_fail(self, peer: Peer, fail: wire.Fail, now: float) -> None:
        if peer.state is State.REJECTED:
            self._members.give_up(peer, fail.reason, now)
            return
        assert self._work is not None
        self._work.queue.add(peer.name)
        self._work.lost.failed(peer, fail, now)

    def _make_work(self, reference: Reference) -> Work:
        """The work for the data set of the run. Raises DataError if that cannot be used."""
        if self._learn is not None:
            self._layout = ArrayLayout(self._learn(reference))
        limits = self._limits(len(reference.classes))
        given = reference, limits, self.roster, self.faults, self._bad, self._lines
        return Work(self.job.run, self._make_leases(reference), *given)

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
                grants = work.queue.message([lease])
                self._members.send(self.roster.peers[name], grants, now)
            for name in work.leases.idle():  # a lease may have come back since they were served
                work.queue.add(name)
        if now >= self._next_look:
            self._next_look = now + self.job.heartbeat
            self._members.lose_revoked(now)
        if gone := self._heartbeats.beat(self.connected, now):
            self._take_control(now)  # what they said before they left has come by now, and counts
            for name in set(gone) & set(self.connected()):
                self._members.lose(name, "its connection closed", now)
        self._members.forget_data(now)
