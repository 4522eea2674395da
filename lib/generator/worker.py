"""One generator process: lease → read → decode → K patches → push, for one trainer or by turns.

    Round: which trainer ─▶ Contact: hello, welcome ─▶ task and data ─▶ Session: leases ─┐
      ▲                                                                                  │
      └──────────── FIN, RESET, the connection ended, another run wants generators ◀─────┘

- With one trainer a worker says hello for ever, with one line to the log for each change; with
  several it stands by at those that it does not work for (`lib/plan/sharing.py` has the rule).
- A run that it cannot serve (rejected, or its task or data are not here) is left out with its
  message, and the others go on; when they are over, the first of these errors is raised.
- The data sets stay in memory, one for each run of the list, so coming back costs no scan.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lib import tasks
from lib.errors import DataError, PushFitError
from lib.generator.contact import Contact
from lib.generator.maker import Maker
from lib.generator.round import Round
from lib.generator.session import Session, Stop
from lib.generator.watchdog import Watchdog
from lib.health import Health
from lib.interrupts import ECHO_SECONDS
from lib.plan.sharing import STINT_SECONDS
from lib.tasks import checks, identity
from lib.tasks.base import DataSet, Task
from lib.wire import protocol as wire
from lib.wire.endpoint import Endpoint
from lib.wire.generator_sockets import Context
from lib.wire.keys import GeneratorKey

log = logging.getLogger("pushfit.generator")

STOP_SECONDS = 1.5  # for the lease in hand when told to end; then it goes back
SLOTS = 64  # leases in hand at most; the trainer gives two unless they are very short


class Worker:
    """Connects to `trainers` and makes samples from what lies behind `links` until told to end.

    trainers: each with the key for it, in the order in which they are gone round.
    own: a task that is not built in, for a trainer that runs it.
    watchdog: ends the process when the worker is stuck; without one nothing does.
    place: among the processes of its fleet, so that they begin at different trainers.
    health: where it notes each second that a trainer was heard.
    stint: seconds at a run that has no other generator, while another has none.
    """

    def __init__(
        self,
        trainers: Mapping[Endpoint, GeneratorKey | None],
        links: Path,
        *,
        stay: bool = False,
        own: type[Task] | None = None,
        watchdog: Watchdog | None = None,
        health: Health | None = None,
        place: int = 0,
        stint: float = STINT_SECONDS,
    ) -> None:
        self.links = links
        self._own, self._watchdog = own, watchdog
        host = socket.gethostname()
        self.name = f"{host}/{os.getpid()}/{os.urandom(8).hex()}"  # not to be guessed
        hello = wire.encode(
            wire.Hello(
                host=host,
                pid=os.getpid(),
                slots=SLOTS,
                libraries=identity.libraries(),
                source=identity.source_hash(),
            )
        )
        self._context = Context()
        self._contacts = [
            Contact(
                trainer,
                self.name,
                hello,
                key=key,
                context=self._context,
                health=health or Health(""),
                stay=stay,
            )
            for trainer, key in trainers.items()
        ]
        self._round = Round(self._contacts, place, stint)
        self._stop = Stop()
        self._scanned: dict[Endpoint, tuple[tuple[Any, ...], Task, DataSet]] = {}

    def stop(self, *_: Any) -> None:
        """End after the lease in hand (a signal handler). The second time: end at once.

        Not where a supervisor passes on what the worker was sent as well: a batch system signals
        every process of a job.
        """
        now = time.monotonic()
        if self._stop.by is None:
            self._stop.by = now + STOP_SECONDS
        elif now > self._stop.by - STOP_SECONDS + ECHO_SECONDS:
            raise KeyboardInterrupt

    @property
    def finished(self) -> bool:
        """Every run of the list is over."""
        return all(contact.finished for contact in self._contacts)

    def run(self) -> None:
        """Work until every run is over, or `stop`. Raises what kept it from one of them."""
        try:
            while self._stop.by is None and not self._round.over:
                contact = self._round.wait()
                if contact is not None:
                    self._serve(contact)
                    self._round.tell()
        finally:
            self._round.close()
            self._context.term()
        for contact in self._contacts:
            if contact.error is not None and self._stop.by is None:
                raise contact.error

    def _serve(self, contact: Contact) -> None:
        welcome = contact.welcome
        assert welcome is not None
        session = Session(contact, self._round, self.name, self._stop, self._watchdog)
        try:
            session.come()
            task, data = self._open(contact.trainer, welcome)
        except PushFitError as error:
            session.refuse(error)
            contact.error = error
            return
        with Maker(task, data, self.links, welcome.seed, welcome.patches, welcome.expiry) as maker:
            if session.join(data, maker):  # else: hello again
                session.work(maker)

    def _open(self, trainer: Endpoint, welcome: wire.Welcome) -> tuple[Task, DataSet]:
        """The task and the data set that `welcome` names; scanned once for as long as they stay."""
        params = wire.encode_params(welcome.params)
        key = (welcome.task, welcome.source, params, *sorted(welcome.patches))
        if trainer not in self._scanned or self._scanned[trainer][0] != key:
            task = tasks.create(welcome.task, welcome.params, welcome.source, self._own)
            self._scanned[trainer] = key, task, self._scan(task, welcome.patches)
        return self._scanned[trainer][1:]

    def _scan(self, task: Task, splits: Collection[str]) -> DataSet:
        data = checks.scan(task, self.links, splits)

        def read(split: str, number: int) -> None:
            try:
                task.read(self.links, data.splits[split][number])
            except OSError:
                raise
            except (Exception, SystemExit):  # the code's own trouble is told with a sample
                log.debug("%s", data.splits[split][number].path, exc_info=True)

        if failed := checks.unread(data, splits, read):
            path, error = failed
            why = error.strerror or error
            raise DataError(f"{self.links / path} cannot be read, nor can others: {why}")
        return data
