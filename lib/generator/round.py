"""All trainers of a generator's list: which to work for, by the rule of `lib/plan/sharing.py`."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from lib.generator.contact import HELLO_SECONDS, Contact
from lib.plan import sharing

CONNECT_SECONDS = 0.02  # between two looks whether a connection stands yet
LOOK_SECONDS = 0.25  # between two looks at those that this one does not work for

log = logging.getLogger("pushfit.generator")


class Round:
    """place: of this process among its fleet; stint: see `sharing.onward`."""

    def __init__(self, contacts: Sequence[Contact], place: int, stint: float) -> None:
        self.contacts, self._place, self._stint = contacts, place, stint
        self._free_since = time.monotonic()
        self._began = self._decided = self._looked = 0.0
        self._idle = 0.0
        self._told: list[Contact] = []
        self._luck = random.Random()  # nothing of a sample hangs on it

    @property
    def over(self) -> bool:
        """No trainer of the list has work to give, now or later."""
        return all(contact.over for contact in self.contacts)

    def wait(self) -> Contact | None:
        """The trainer to work for, if one is there within a moment."""
        contacts = self.contacts
        self._look(None)
        views = [contact.view for contact in contacts]
        waited = time.monotonic() - self._free_since
        number = sharing.first(views, self._place, waited, self._luck.random())
        if number is not None:
            self._place = number
            return contacts[number]
        open_ones = [contact for contact in contacts if not contact.over]
        if open_ones:
            alone = len(open_ones) == 1 and open_ones[0].asked
            open_ones[0].sockets.wait(HELLO_SECONDS if alone else CONNECT_SECONDS)
        return None

    def began(self) -> None:
        """Work for the trainer that was found begins now."""
        self._began = self._decided = time.monotonic()
        self._idle = 0.0

    def ended(self) -> None:
        self._free_since = time.monotonic()

    def look(self) -> None:
        """Hear the others; called between patches, and waits for nothing."""
        if len(self.contacts) > 1 and (now := time.monotonic()) - self._looked > LOOK_SECONDS:
            self._looked = now
            self._look(self.contacts[self._place])

    def onward(self, idle: float, heartbeat: float) -> str:
        """To be asked between two leases: why to leave for another trainer, or "".

        idle: seconds without work in this session so far; heartbeat: between two of its trainer.
        """
        now = time.monotonic()
        spent = now - self._decided
        if (
            len(self.contacts) == 1
            or spent < min(sharing.DECIDE_SECONDS, self._stint)
            or spent < 2 * heartbeat
        ):
            return ""
        number = sharing.onward(
            [contact.view for contact in self.contacts],
            self._place,
            stayed=now - self._began,
            idle=(idle - self._idle) / spent,
            luck=self._luck.random(),
            stint=self._stint,
        )
        self._decided, self._idle = now, idle
        if number is None:
            return ""
        self._place = number
        return f"{self.contacts[number].trainer} wants generators"

    def _look(self, but: Contact | None) -> None:
        for contact in self.contacts:
            if contact is not but and not contact.over:
                contact.look()
        self.tell()

    def tell(self) -> None:
        """Say of trainers that they are left out, while others are not."""
        for contact in self.contacts:
            if contact.error is not None and contact not in self._told and not self.over:
                self._told.append(contact)
                log.warning("%s is left out, the rest goes on: %s", contact.trainer, contact.error)

    def close(self) -> None:
        for contact in self.contacts:
            contact.sockets.close()
