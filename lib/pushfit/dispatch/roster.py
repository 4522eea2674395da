"""The generators that a trainer knows: their states, and which may join. It has no sockets.

`Roster.hear` checks a control message against `legal_orders.LEGAL` and changes the sender's state.
`greet` and `admit` decide about HELLO and READY. The reason of a rejection is a sentence for
people, which both sides show.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from pushfit.errors import ProtocolError
from pushfit.feed.source import Reference
from pushfit.tasks import compatibility, facts
from pushfit.tasks.base import TRAIN, DataSet
from pushfit.tasks.visiting import Visiting
from pushfit.text import one_line
from pushfit.wire import file_listing as listing
from pushfit.wire import packed_visiting
from pushfit.wire import protocol as wire
from pushfit.wire.legal_orders import LEGAL, State


class Peer(msgspec.Struct, eq=False):
    """One generator, from its first HELLO on. It is kept for the report if it has worked."""

    name: str
    host: str
    pid: int
    joined: float
    user: str = ""  # the name of its key; "": the trainer has no keys
    who: str = ""  # its identity: that key or, without keys, its address
    worked_here: bool = False  # it was ready for leases of this run
    state: State = State.UNKNOWN
    hello: wire.Hello | None = None
    doing: str = ""
    gone: tuple[int, ...] = ()  # ranks of the run that it does not reach any more
    leases: int = 0
    patches: int = 0
    nbytes: int = 0
    sent: int = 0  # bytes on the wire: fewer than `nbytes` if they were compressed
    stages: wire.Stages = wire.Stages()
    left: float | None = None
    said_bye: bool = False  # it left by itself
    contradicted: int = 0  # leases that it called impossible and that others made

    @property
    def label(self) -> str:
        return f"{one_line(self.host)} (pid {self.pid})"

    def worked(self, header: wire.Data, patches: int, nbytes: int, sent: int) -> None:
        """Add one accepted lease of `patches` samples; `sent`: its bytes on the wire."""
        self.sent += sent
        self.leases += 1
        self.patches += patches
        self.nbytes += nbytes
        self._add_stages(header.stages)

    def add(self, other: Peer) -> None:
        """Add the figures of `other` to those of this one."""
        self.leases += other.leases
        self.patches += other.patches
        self.nbytes += other.nbytes
        self.sent += other.sent
        self.joined -= other.seconds(0.0)
        self._add_stages(other.stages)

    def _add_stages(self, new: wire.Stages) -> None:
        pairs = zip(*map(msgspec.structs.astuple, (self.stages, new)), strict=True)
        self.stages = wire.Stages(*map(sum, pairs))

    def seconds(self, now: float) -> float:
        """Seconds for which it is, or was, connected."""
        return (now if self.left is None else self.left) - self.joined


def _visiting(ready: wire.Ready) -> Visiting:
    """The weights and groups in READY. Raises ProtocolError if they are not valid."""
    records = sum(ready.counts.get(TRAIN, ()))
    return packed_visiting.unpack(ready.weights or b"", ready.groups or b"", records)


BACK_SECONDS = 2.0  # time in which a generator that lost its connection says hello again
KEPT = 1_000  # generators that have left and have a row each in the report; older ones share one


class Roster:
    """The peers by name, and the run's data set once it is known.

    Its size is limited: a peer that never worked is forgotten when it leaves, and of those that
    worked the last KEPT are kept.
    """

    def __init__(
        self,
        libraries: dict[str, str],
        source: str,
        own: DataSet | None,
        reference: Reference | None = None,
    ) -> None:
        """Make a roster without generators.

        libraries: {library that decides pixels: its version}, as the trainer has them.
        source: the hash of the code that draws samples.
        own: the trainer's data set; None: it has none.
        reference: the data set of the run that is resumed, if the trainer has none.
        """
        self.libraries, self.source = libraries, source
        self.peers: dict[str, Peer] = {}
        self._gone: dict[str, None] = {}  # names of the peers that have left, in that order
        self._earlier = Peer("", "", 0, 0.0)  # the sum of those that are not kept
        self._earlier_count = 0
        self.turned_away = ""  # a sentence about the last one that could not take part
        self.reference = reference
        if own is not None:
            self.reference = Reference(
                own.classes,
                own.counts(),
                own.fingerprint(),
                list(compatibility.listing(own)),
                "the trainer",
                own.unused,
                own.validation,
                own.version,
                dict(own.facts),
                own.visiting(),
            )
        self._known = self.reference

    def hear(self, name: str, message: wire.FromGenerator, now: float, user: str = "") -> Peer:
        """The sender of `message`, with the state that follows from it.

        user: the name of its key.
        Raises ProtocolError if its state does not allow the message.
        """
        peer = self.peers.get(name)
        state = peer.state if peer else State.UNKNOWN
        follows = LEGAL.get((state, type(message)))
        if follows is None:
            raise ProtocolError(f"{type(message).__name__.lower()} while {state.value}")
        if isinstance(message, wire.Hello):
            peer = self.peers.setdefault(name, Peer(name, message.host, message.pid, now, user))
            peer.hello = message
            peer.left = None
            self._gone.pop(name, None)
        assert peer is not None  # an unknown sender can only say hello
        peer.state = follows
        peer.said_bye = isinstance(message, wire.Bye)
        return peer

    def gone(self, peer: Peer, now: float) -> None:
        """Note that `peer` has left."""
        if not peer.worked_here:
            self.peers.pop(peer.name, None)
            return
        peer.left = now
        self._gone[peer.name] = None
        if len(self._gone) > KEPT:
            oldest = self.peers.pop(next(iter(self._gone)))
            del self._gone[oldest.name]
            self._earlier.add(oldest)
            self._earlier_count += 1

    def greet(self, peer: Peer) -> str:
        """Why the sender of a HELLO cannot work for this run; ``""``: it can."""
        hello = peer.hello
        assert hello is not None
        for wrong in (
            compatibility.compare_versions(one_line(hello.version)),
            compatibility.compare_libraries(hello.libraries, self.libraries),
        ):
            if wrong:
                return f"{peer.label}: {wrong}"
        return ""

    @property
    def knows_data(self) -> bool:
        """Return whether all of the run's data set is known that a plan needs."""
        return self.reference is not None and not self.reference.awaited

    def forget_data(self) -> None:
        """Forget what generators said of the data set."""
        self.reference = self._known

    def admit(self, peer: Peer, ready: wire.Ready) -> str:
        """Why `peer` cannot work on the run's data set; ``""``: it can.

        If the run has no data set yet, that of `peer` becomes the run's.
        """
        if wrong := compatibility.compare_sources(one_line(ready.source), self.source):
            return f"{peer.label}: {wrong}"
        counts = ready.counts.values()
        if (total := sum(map(sum, counts))) > wire.MAX_RECORDS:
            return f"{peer.label}: {total:,} records are more than the {wire.MAX_RECORDS:,} allowed"
        if any(len(each) != len(ready.classes) for each in counts) or not total:
            return f"{peer.label}: it reports no records, or counts that do not match its classes"
        if wrong := facts.complaint(ready.facts):
            return f"{peer.label}: {wrong}"
        if self.reference is None:
            self.reference = Reference(
                ready.classes,
                ready.counts,
                ready.fingerprint,
                listing.unpack(ready.listing),
                peer.label,
                tuple(ready.unused),
                ready.validation,
                ready.version,
                ready.facts,
                _visiting(ready),
            )
            return ""
        if ready.fingerprint == self.reference.fingerprint:
            return self._complete(peer, ready)
        if ready.classes != self.reference.classes:
            theirs, ours = set(ready.classes), set(self.reference.classes)
            detail = (
                f"classes differ: only there {sorted(theirs - ours)[:5]}, "
                f"only in this run {sorted(ours - theirs)[:5]}"
            )
            if same := compatibility.look_alikes(theirs - ours, ours - theirs):
                detail += f"; {same}"
        elif ready.version != self.reference.version:
            detail = (
                f"the task's version of it is {ready.version!r} there, {self.reference.version!r} "
                "in this run: copy the files that the task reads besides the records"
            )
        elif other := facts.difference(ready.facts, self.reference.facts):
            detail = f"scan() found something else, {one_line(other)}"
        elif self._visits_otherwise(ready):
            detail = (
                "scan() gave its training records other weights or groups there than in this run"
            )
        elif not self.reference.listing:
            here, there = sum(map(sum, self.reference.counts.values())), sum(map(sum, counts))
            detail = f"{here:,} records in this run, {there:,} there, or other records"
        else:
            detail = compatibility.compare_listings(
                listing.unpack(ready.listing), self.reference.listing
            )
        return f"{peer.label}: its data is not that of {self.reference.origin}: {detail}"

    def _complete(self, peer: Peer, ready: wire.Ready) -> str:
        """Add the weights and groups that are awaited to the data set. Returns as `admit`."""
        reference = self.reference
        assert reference is not None
        if not reference.awaited:
            return ""
        if self._visits_otherwise(ready) or ready.counts != reference.counts:
            return f"{peer.label}: it did not send the weights and groups of the run's data"
        self.reference = replace(reference, visiting=_visiting(ready), awaited="")
        return ""

    def _visits_otherwise(self, ready: wire.Ready) -> bool:
        """Return whether as many records have other weights or groups than those of the run."""
        assert self.reference is not None
        if ready.counts != self.reference.counts:
            return False  # so that nobody unpacks more than the run has
        ours = self.reference.awaited or self.reference.visiting.digest
        return _visiting(ready).digest != ours

    def coming_back(self, now: float) -> set[str]:
        """The names of those that worked and were lost a moment ago: they may say hello again."""
        return {
            name
            for name, peer in self.peers.items()
            if peer.state is State.UNKNOWN
            and peer.left is not None
            and now - peer.left < BACK_SECONDS
            and not peer.said_bye
        }

    def waiting(self) -> tuple[list[Peer], list[Peer]]:
        """(those about to work, those that stand by) of the peers that were welcomed."""
        welcomed = [peer for peer in self.peers.values() if peer.state is State.WELCOMED]
        coming = [peer for peer in welcomed if peer.doing]
        return coming, [peer for peer in welcomed if not peer.doing]

    def report(self, now: float) -> list[dict[str, Any]]:
        """The rows for report.json: one for each generator, and one for the oldest together.

        Times are in seconds.
        """
        rows = []
        peers = [peer for peer in self.peers.values() if peer.worked_here]
        if self._earlier_count:
            self._earlier.name = f"{self._earlier_count} earlier ones"
            self._earlier.left = 0.0
            peers.insert(0, self._earlier)
        for peer in peers:
            stages = msgspec.structs.asdict(peer.stages)
            rows.append(
                {
                    "name": peer.name,
                    "host": peer.host,
                    "key": peer.user,
                    "pid": peer.pid,
                    "connected_s": round(peer.seconds(now), 3),
                    "leases": peer.leases,
                    "patches": peer.patches,
                    "bytes": peer.nbytes,
                    "bytes_on_the_wire": peer.sent,
                    "stages_s": {stage: round(spent, 3) for stage, spent in stages.items()},
                    "state": peer.state.value,
                }
            )
        return rows
