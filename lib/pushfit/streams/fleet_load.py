"""The load of a live stream, for the advisor: what it has counted of its fleet and its model."""

from __future__ import annotations

from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.roster import Peer
from pushfit.feed.feed import Feed
from pushfit.observe.advisor import Load, Work
from pushfit.wire.interfaces import interface_of, made_for
from pushfit.wire.legal_orders import State


def load(feed: Feed, exchange: Exchange, address: str, now: float, *, trains: bool) -> Load:
    """The load so far.

    address: the address of this host at which samples arrive; "": not known.
    now: seconds.
    trains: a model takes the batches.
    """
    hosts: dict[str, Work] = {}
    for peer in list(exchange.roster.peers.values()):
        if peer.worked_here:
            hosts[peer.host] = _add(hosts.get(peer.host, Work()), peer)
    link = interface_of(address) if address else ""
    return Load(
        now=now,
        samples=feed.samples,
        starved=feed.waited,
        mixing=feed.mixing,
        hosts=hosts,
        waited=feed.step_times.waited,
        busy=feed.step_times.busy,
        stepped=feed.step_times.samples,
        trains=trains,
        link=link,
        link_bytes=made_for(link) if link else 0.0,
        packs=exchange.job.compress != "none",
        absent=exchange.absent,
    )


def _add(work: Work, peer: Peer) -> Work:
    stages = peer.stages
    return Work(
        generators=work.generators + (peer.state is State.LEASING),
        patches=work.patches + peer.patches,
        sent=work.sent + peer.sent,
        making=work.making + stages.decode + stages.transform + stages.pack,
        reading=work.reading + stages.wait,
        sending=work.sending + stages.send,
        idle=work.idle + stages.idle,
    )
