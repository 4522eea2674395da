"""Sentences for people: what a stream waits for, and what would help."""

from __future__ import annotations

from pushfit import container
from pushfit.dispatch.roster import Roster
from pushfit.installation import typed
from pushfit.plan.leases import Leases
from pushfit.wire.transports import TrainerTransport


def how(sockets: TrainerTransport) -> str:
    """The command that starts a generator, and in a container how to make it reach the trainer."""
    hint = container.unreached(sockets.loopback, sockets.control_port, sockets.data_port)
    start = f"Start one with: {typed('generate')} {sockets.reach}"
    return "; ".join(filter(None, [start, hint]))


def waits_for(leases: Leases | None, roster: Roster, how: str) -> str:
    """What a stream waits for that cannot deliver anything at the moment.

    how: the command that starts a generator.
    """
    if leases is None or not leases.members:
        return _nobody(roster, how)
    lease = leases.waiting_for
    if lease is None:
        return "results have come, and wait for their turn"
    holders = [roster.peers[name] for name in list(lease.grants.values())]
    where = " and ".join(f"{p.label} at {p.doing or 'its first file'}" for p in holders)
    return (
        f"lease {lease.id} ({lease.segment.split} epoch {lease.segment.epoch}, visits "
        f"{lease.start}–{lease.start + lease.count - 1}) is with {where or 'nobody yet'}"
    )


def _nobody(roster: Roster, how: str) -> str:
    coming, others = roster.waiting()
    if coming:
        return f"{coming[0].label} is {coming[0].doing}"
    if others:
        return (
            "no generator works for this run now. Generators that also serve other runs, and will "
            f"come by turns: {len(others)}. {how}"
        )
    if roster.turned_away:
        return f"no generator is connected. The last one that came: {roster.turned_away}. {how}"
    return f"no generator is connected. {how}"
