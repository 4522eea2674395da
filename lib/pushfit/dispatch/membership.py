"""Which generators work for the run: how they join, leave, are lost or rejected.

The data set belongs here as well: where the trainer has none, the first generator brings it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from pushfit.dispatch.discredited import Discredited
from pushfit.dispatch.heartbeat import Heartbeats
from pushfit.dispatch.job import Job
from pushfit.dispatch.measured_log import MeasuredLog
from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.dispatch.work import Work
from pushfit.errors import DataError, ProtocolError
from pushfit.feed.source import Reference
from pushfit.plan.leases import Lease, Leases
from pushfit.text import counted
from pushfit.wire import protocol as wire
from pushfit.wire.legal_orders import State
from pushfit.wire.transports import TrainerTransport

log = logging.getLogger("pushfit.trainer")


class Membership:
    """Decides who works for the run, and tells the generators so. One thread at a time may call it.

    make_work: makes the run's work for its data set; raises DataError if that cannot be used.

    `hungry`: the consumer of the stream waits for samples.
    `settled`: the data set is the run's for good. A data set that a generator brought is settled
    by the first good lease; if its generators leave before that, it is forgotten.
    """

    def __init__(
        self,
        sockets: TrainerTransport,
        job: Job,
        roster: Roster,
        faults: Counter[str],
        lines: MeasuredLog,
        misbehaving: MisbehavingPeers,
        heartbeats: Heartbeats,
        make_work: Callable[[Reference], Work],
    ) -> None:
        self.work: Work | None = None  # None until the data set is known
        self.hungry = False
        self.settled = roster.knows_data
        self._sockets, self._job, self._roster, self._faults = sockets, job, roster, faults
        self._lines, self._misbehaving, self._heartbeats = lines, misbehaving, heartbeats
        self._make_work = make_work
        self._discredited = Discredited(roster, misbehaving)
        self._reset = wire.encode(wire.Reset(run=job.run))
        if roster.reference is not None and roster.knows_data:
            self.work = make_work(roster.reference)

    @property
    def leases(self) -> Leases | None:
        """The run's leases; None until its data set is known."""
        return self.work.leases if self.work else None

    @property
    def generators(self) -> int:
        """The number of generators that work for the run now."""
        return len(self.leases.members) if self.leases else 0

    @property
    def need(self) -> wire.Need:
        """What a generator that may work for another run instead wants to know of this one."""
        coming = len(self._roster.waiting()[0])
        if self.work is None:
            return wire.Need(coming, True)
        working = sum(not member.draining for member in self.work.leases.members.values())
        leases = self.work.leases
        stock = min(1.0, leases.stock / leases.budget)
        return wire.Need(working + coming, self.work.queue.wants, stock, self.hungry)

    def connected(self) -> list[str]:
        """The names of the generators that can be sent a message."""
        here = (State.WELCOMED, State.LEASING, State.DRAINING)
        return [name for name, peer in self._roster.peers.items() if peer.state in here]

    def send(self, peer: Peer, message: wire.Message, now: float) -> None:
        """Send `message` to `peer`; if its connection has closed, it is lost."""
        if not self._sockets.send_control(peer.name, wire.encode(message)):
            # The socket has no way to it, since its connection closed a moment ago. The next
            # heartbeat would have found the same; which of the two comes first is chance.
            self.lose(peer.name, "its connection closed", now)

    # -- how generators join ----------------------------------------------------------------------

    def greet(self, peer: Peer, now: float) -> None:
        """Answer the HELLO of `peer` with WELCOME or REJECT."""
        peer.doing = ""
        self._withdraw(peer, "said hello again", now)
        if reason := self._discredited.refusal(peer) or self._roster.greet(peer):
            self.reject(peer, reason, now)
        else:
            self.send(peer, self._welcome(), now)

    def _welcome(self) -> wire.Welcome:
        # If the data set may still be forgotten, WELCOME does not name it: each READY then brings
        # the list of its files.
        reference = self._roster.reference if self.settled else None
        return self._job.welcome(
            data_port=self._sockets.data_port,
            heartbeat=self._heartbeats.interval(self.generators),
            fingerprint=reference.fingerprint if reference else "",
            need=self.need,
        )

    def join(self, peer: Peer, ready: wire.Ready, now: float) -> None:
        """Let `peer`, which says READY, work for the run, or reject it."""
        peer.doing = ""
        self.forget_data(now)
        if reason := self._roster.admit(peer, ready):
            self.reject(peer, reason, now)
            return
        if (work := self.work) is None:
            assert self._roster.reference is not None
            try:
                work = self.work = self._make_work(self._roster.reference)
            except DataError as error:  # the run cannot use this data set, whoever brings it
                self._roster.forget_data()
                self.reject(peer, f"{peer.label}: {error}", now)
                return
        assert peer.hello is not None
        work.leases.join(peer.name, peer.hello.slots, now, peer.who, peer.host)
        peer.worked_here = True
        work.queue.add(peer.name)
        same = sum(self._roster.peers[name].user == peer.user for name in work.leases.members)
        self._lines.here(peer.user, same)
        there = counted(self.generators, "generator")
        self._tell("joined", f"{peer.label} joined: {there} now", peer)

    def forget_data(self, now: float) -> None:
        """Forget a data set whose generators have left without a good lease."""
        if self.settled or self.leases is None:
            return
        members = self.leases.members
        if any(member.able or member.hand for member in members.values()):
            return
        assert self._roster.reference is not None
        log.warning(
            "%s, whose data set was to be the run's, left without a good lease: the next generator "
            "brings its own data set",
            self._roster.reference.origin,
        )
        for name in list(members):
            self.reset(name, now)
        self.work = None
        self._roster.forget_data()

    # -- how generators leave ---------------------------------------------------------------------

    def leave(self, peer: Peer, unstarted: Sequence[int]) -> None:
        """`peer` says BYE: it gives back its `unstarted` leases."""
        if self.leases is not None:
            self.leases.drain(peer.name, unstarted)
            self._tell("leaving", f"{peer.label} is leaving", peer)

    def give_up(self, peer: Peer, reason: str, now: float) -> None:
        """`peer` was welcomed and cannot work for the run, for a `reason` of its own."""
        self._roster.turned_away = f"{peer.label} cannot take part: {reason}"
        self._lines.say("cannot take part", self._roster.turned_away, user=peer.user)
        self._roster.gone(peer, now)

    def lose(self, name: str, why: str, now: float) -> None:
        """The connection has closed: what the generator held goes to others at once."""
        peer = self._roster.peers[name]
        working = peer.state is State.LEASING
        self._faults["generators_lost"] += working
        self._withdraw(peer, why, now, lost=working)
        peer.state = State.UNKNOWN
        self._roster.gone(peer, now)

    def reset(self, name: str, now: float) -> None:
        """Have a peer that spoke out of turn begin again at HELLO; it holds nothing any more."""
        if peer := self._roster.peers.get(name):
            self._withdraw(peer, "spoke out of turn", now)
            peer.state = State.UNKNOWN
            self._roster.gone(peer, now)
        self._sockets.send_control(name, self._reset)

    def reject(self, peer: Peer, reason: str, now: float) -> None:
        """Tell `peer` that it cannot work for the run. reason: a sentence that begins with it."""
        self._roster.turned_away = f"the trainer rejected {reason}"
        self._misbehaving.turned_away(reason)
        self._faults["rejected"] += 1
        peer.state = State.REJECTED
        self._sockets.send_control(peer.name, wire.encode(wire.Reject(reason=reason[:4096])))
        self._roster.gone(peer, now)

    def reject_hopeless(self, name: str, error: ProtocolError) -> None:
        """Reject a peer whose messages are invalid time and again: else it begins anew for ever."""
        reason = f"this trainer does not understand it: {error}"
        self._sockets.send_control(name, wire.encode(wire.Reject(reason=reason[:4096])))

    def reject_discredited(self, lease: Lease, now: float) -> None:
        """Reject the generators that the result of `lease` has proved wrong."""
        if (leases := self.leases) is None:
            return
        for wrong, reason in self._discredited.by(lease, leases):
            self._withdraw(wrong, "what it reports is wrong", now)
            self.reject(wrong, reason, now)

    def lose_revoked(self, now: float) -> None:
        """Disconnect the generators whose key was revoked."""
        for user in self._sockets.revoked():
            self._faults["revoked"] += 1
            log.warning("the key %s is not admitted any more: disconnected", user)
            for peer in list(self._roster.peers.values()):
                if peer.user == user and peer.state is not State.UNKNOWN:
                    self.lose(peer.name, "its key was revoked", now)

    def _withdraw(self, peer: Peer, why: str, now: float, *, lost: bool = False) -> None:
        """Take `peer` out of the fleet. lost: it did not choose to leave; a lease may be why."""
        work = self.work
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
