"""Generators and identities that are rejected because what they reported has proved wrong."""

from __future__ import annotations

from collections.abc import Iterator

from pushfit.dispatch.misbehaving_peers import MisbehavingPeers
from pushfit.dispatch.roster import Peer, Roster
from pushfit.plan.leases import Lease, Leases
from pushfit.wire.admission import LOCAL
from pushfit.wire.connections import key_name
from pushfit.wire.legal_orders import State

CONTRADICTIONS = 3  # leases called impossible and made by others after which it is rejected
AT_WORK = (State.WELCOMED, State.LEASING, State.DRAINING)


class Discredited:
    """Decides whom to reject. An identity (`Peer.who`) is rejected for the rest of the run.

    A single generator is rejected once, and may join again.
    """

    def __init__(self, roster: Roster, misbehaving: MisbehavingPeers) -> None:
        self._roster, self._misbehaving = roster, misbehaving
        self._out: dict[str, str] = {}  # {identity: the reason}

    def refusal(self, peer: Peer) -> str:
        """Why `peer` may not join; ``""``: it may."""
        return f"{peer.label}: {self._out[peer.who]}" if peer.who in self._out else ""

    def by(self, lease: Lease, leases: Leases) -> Iterator[tuple[Peer, str]]:
        """(generator, reason) of those to reject, now that `lease` has been made."""
        for one in lease.case.about("refused") if lease.case else ():
            peer = self._roster.peers.get(one.name)
            if peer is None or peer.state is not State.LEASING:
                continue
            peer.contradicted += 1
            if peer.contradicted >= CONTRADICTIONS:
                yield (
                    peer,
                    f"{peer.label}: it called {peer.contradicted} leases impossible that others "
                    "have made: check its memory, its disk and its code",
                )
        for who in leases.take_useless():
            if who != key_name(LOCAL):  # the run's own ones are not rejected
                yield from self._put_out(who)

    def _put_out(self, who: str) -> Iterator[tuple[Peer, str]]:
        self._out[who] = (
            f"{who} has lost, or called impossible, more leases than it has made, and others made "
            "them: it is refused for the rest of this run. Check its memory, its disk and its code"
        )
        self._misbehaving.put_out(self._out[who])
        for peer in list(self._roster.peers.values()):
            if peer.who == who and peer.state in AT_WORK:
                yield peer, self.refusal(peer)
