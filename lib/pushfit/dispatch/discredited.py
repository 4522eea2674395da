"""Generators, and identities, whose word has proved wrong: who is put out for it, and why."""

from __future__ import annotations

from collections.abc import Iterator

from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.plan.leases import Lease, Leases
from pushfit.wire.admission import LOCAL
from pushfit.wire.connections import key_name
from pushfit.wire.protocol import State

CONTRADICTIONS = 3  # after which what a generator says is not listened to
AT_WORK = (State.WELCOMED, State.LEASING, State.DRAINING)


class Discredited:
    """An identity (`Peer.who`) is put out for the rest of the run, a single generator once."""

    def __init__(self, roster: Roster, misbehaving: MisbehavingPeers) -> None:
        self._roster, self._misbehaving = roster, misbehaving
        self._out: dict[str, str] = {}  # identity → why

    def refusal(self, peer: Peer) -> str:
        """Why `peer` may not join, or ``""``."""
        return f"{peer.label}: {self._out[peer.who]}" if peer.who in self._out else ""

    def by(self, lease: Lease, leases: Leases) -> Iterator[tuple[Peer, str]]:
        """`lease` has been made. Who is to go for what it said of it, with the reason."""
        for one in lease.case.about("refused") if lease.case else ():
            peer = self._roster.peers.get(one.name)
            if peer is None or peer.state is not State.LEASING:
                continue
            peer.contradicted += 1
            if peer.contradicted >= CONTRADICTIONS:
                yield (
                    peer,
                    f"{peer.label}: it said of {peer.contradicted} leases that nothing can make "
                    "them, and others have made them: its memory, its disk or its code is not in "
                    "order",
                )
        for who in leases.take_useless():
            if who != key_name(LOCAL):  # those go with the run, and nobody else has that key
                yield from self._put_out(who)

    def _put_out(self, who: str) -> Iterator[tuple[Peer, str]]:
        self._out[who] = (
            f"{who} has lost, or called impossible, more leases than it has made, and others made "
            "them: refused for the rest of this run. Look at its memory, its disk and its code"
        )
        self._misbehaving.put_out(self._out[who])
        for peer in list(self._roster.peers.values()):
            if peer.who == who and peer.state in AT_WORK:
                yield peer, self.refusal(peer)
