"""All trainers of a generator's list: which to work for, by the rule of `plan/sharing.py`."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from pushfit.generator import ranks
from pushfit.generator.trainer_link import HELLO_SECONDS, TrainerLink
from pushfit.plan import sharing

CONNECT_SECONDS = 0.02  # between two checks whether a connection is established
LOOK_SECONDS = 0.25  # between two checks of the trainers that this generator does not work for

log = logging.getLogger("pushfit.generator")


class Trainers:
    """The trainers of a generator's list.

    place: the number of this process in its fleet.
    stint: see `sharing.onward`.
    """

    def __init__(self, links: Sequence[TrainerLink], place: int, stint: float) -> None:
        self.links, self._place, self._stint = links, place, stint
        self._free_since = time.monotonic()
        self._began = self._decided = self._looked = 0.0
        self._idle = 0.0
        self._told: list[TrainerLink] = []
        self._luck = random.Random()  # no sample depends on it

    @property
    def over(self) -> bool:
        """Return whether no trainer of the list will have work any more."""
        return all(link.over for link in self.links)

    def wait(self) -> TrainerLink | None:
        """The trainer to work for; None: there is none at the moment."""
        links = self.links
        self._look(None)
        views = [link.view for link in links]
        waited = time.monotonic() - self._free_since
        number = sharing.first(views, self._place, waited, self._luck.random())
        if number is not None:
            self._place = number
            return links[number]
        open_ones = [link for link in links if not link.over]
        if open_ones:
            alone = len(open_ones) == 1 and open_ones[0].asked
            open_ones[0].sockets.wait(HELLO_SECONDS if alone else CONNECT_SECONDS)
        return None

    def began(self) -> None:
        """Note that work begins for the trainer that `wait` returned."""
        self._began = self._decided = time.monotonic()
        self._idle = 0.0

    def ended(self) -> None:
        self._free_since = time.monotonic()

    def look(self) -> None:
        """Handle messages of the other trainers. It is called between samples, and never waits."""
        if len(self.links) > 1 and (now := time.monotonic()) - self._looked > LOOK_SECONDS:
            self._looked = now
            self._look(self.links[self._place])

    def onward(self, idle: float, heartbeat: float) -> str:
        """Why to leave for another trainer; "": stay. It is called between two leases.

        idle: seconds without work in this session so far.
        heartbeat: seconds between two heartbeats of this session's trainer.
        """
        now = time.monotonic()
        spent = now - self._decided
        if (
            len(self.links) == 1
            or spent < min(sharing.DECIDE_SECONDS, self._stint)
            or spent < 2 * heartbeat
        ):
            return ""
        number = sharing.onward(
            [link.view for link in self.links],
            self._place,
            stayed=now - self._began,
            idle=(idle - self._idle) / spent,
            luck=self._luck.random(),
            stint=self._stint,
            ranks=ranks.beside(self._place, self.links),
        )
        self._decided, self._idle = now, idle
        if number is None:
            return ""
        self._place = number
        return f"{self.links[number].trainer} wants generators"

    def gone(self, link: TrainerLink) -> tuple[int, ...]:
        """The ranks of the run at `link` that have answered and do not any more."""
        return ranks.gone(link, self.links)

    def _look(self, but: TrainerLink | None) -> None:
        for link in self.links:
            if link is not but and not link.over:
                link.look()
        self.tell()

    def tell(self) -> None:
        """Log for which trainers this generator cannot work, while it can work for others."""
        for link in self.links:
            if link.error is not None and link not in self._told and not self.over:
                self._told.append(link)
                log.warning("%s is left out, others continue: %s", link.trainer, link.error)

    def close(self) -> None:
        for link in self.links:
            link.sockets.close()
