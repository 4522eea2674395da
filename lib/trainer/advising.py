"""What the advisor is told of a stream, and when it speaks.

    Stream ─▶ load ─▶ Adviser ─▶ observe.advisor.advise ─▶ a line of the console, report.json

It speaks at the end of an epoch, and within one when the limit has become another, at most every
`EVERY_SECONDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lib.observe.advisor import Advice, Limit, Load, Work, advise, between
from lib.trainer.exchange import Exchange
from lib.trainer.feed import Feed
from lib.trainer.roster import Peer
from lib.wire.interfaces import interface_of, made_for
from lib.wire.protocol import State

EVERY_SECONDS = 30.0


def load(feed: Feed, exchange: Exchange, address: str, now: float, *, trains: bool) -> Load:
    """What has been counted so far. address: of this host, where samples come in; or ""."""
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


class Adviser:
    """Advice for people, now and then (`news`, `epoch`), and for the report (`whole`)."""

    def __init__(
        self, look: Callable[[float], Load], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look, self._clock = look, clock
        self._first: Load | None = None  # before it: start-up
        self._since: Load | None = None  # of the window under way
        self._said = Limit.UNKNOWN

    def began(self) -> None:
        """The stream flows. Called as often as one likes."""
        if self._first is None:
            self._first = self._since = self._look(self._clock())

    def news(self) -> str:
        """Advice if it is time for some and the limit is another than was said last, or ``""``."""
        now = self._clock()
        if self._since is None or now - self._since.now < EVERY_SECONDS:
            return ""
        before, advice = self._said, self._advice(now)
        return advice.sentence if advice.limit not in (before, Limit.UNKNOWN) else ""

    def epoch(self) -> str:
        """Advice at the end of an epoch; ``""`` where too little was seen."""
        advice = self._advice(self._clock())
        return advice.sentence if advice.limit is not Limit.UNKNOWN else ""

    def _advice(self, now: float) -> Advice:
        after = self._look(now)
        advice = advise(between(self._since or after, after))
        if advice.limit is not Limit.UNKNOWN:
            self._since, self._said = after, advice.limit
        return advice

    def report(self) -> dict[str, Any]:
        """For report.json: of the whole time since the stream began to flow."""
        after = self._look(self._clock())
        advice = advise(between(self._first or after, after))
        return {
            "advice": advice.sentence,
            "advice_figures": {"limit": advice.limit.value, **advice.figures},
        }
