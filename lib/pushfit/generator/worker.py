"""A generator process: lease → read → decode → K samples → push, for one trainer or several.

    Trainers: which trainer ─▶ TrainerLink: hello, welcome ─▶ task and data ─▶ Session: leases ─┐
      ▲                                                                                  │
      └──────────── FIN, RESET, the connection ended, another run wants generators ◀─────┘

- A generator with one trainer sends hello until it is answered, and logs each change. A generator
  with several trainers stands by at those for which it does not work (`pushfit/plan/sharing.py`).
- If it cannot work for a run (it was rejected, or lacks the task or the data), it logs why and
  works for the others. When these are over, the first of the errors is raised.
- The data set of each run stays in memory, so that a return to the run needs no scan.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pushfit import __version__, tasks
from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError, DataError, PushFitError, raised
from pushfit.generator import ranks
from pushfit.generator.maker import Maker
from pushfit.generator.preparation import set_up, tear_down
from pushfit.generator.reader import Reader, ReadFailed
from pushfit.generator.records import reading
from pushfit.generator.session import Session, Stop
from pushfit.generator.shared_scan import Scan, scanned
from pushfit.generator.trainer_link import TrainerLink
from pushfit.generator.trainers import Trainers
from pushfit.generator.trial import trial
from pushfit.generator.watchdog import Watchdog
from pushfit.health import Health
from pushfit.interrupts import ECHO_SECONDS
from pushfit.plan.sharing import STINT_SECONDS
from pushfit.tasks import checks, compatibility
from pushfit.tasks.base import DataSet, Task
from pushfit.wire import protocol as wire
from pushfit.wire.generator_sockets import SocketsOfProcess
from pushfit.wire.keys import GeneratorKey
from pushfit.wire.transports import GeneratorTransports

log = logging.getLogger("pushfit.generator")

STOP_SECONDS = 1.5  # to finish the present lease when told to end; then it is given back
HOST_CHARS = 200  # most characters of the host's name that are sent
SLOTS = 64  # most leases that it holds; the trainer grants two unless they are very short


class Worker:
    """Connects to `trainers` and makes samples of the data behind `links` until it must end.

    trainers: {address: the key for it, or None}, in the order in which they are tried.
    links: the links folder.
    stay: wait for further runs when all are over.
    own: a user task, for a trainer that runs it; None: only built-in tasks.
    watchdog: ends the process when it is stuck; None: nothing does.
    health: where it notes, each second, that a trainer was heard.
    place: the number of the process in its fleet, so that they begin at different trainers.
    stint: seconds for a run that has no other generator, while another run has none.
    transports: makes the way to each trainer; None: over ZeroMQ.
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
        transports: GeneratorTransports | None = None,
    ) -> None:
        self.links = links
        self._own, self._watchdog = own, watchdog
        host = socket.gethostname()
        self.name = f"{host}/{os.getpid()}/{os.urandom(8).hex()}"  # others cannot guess it
        hello = wire.encode(
            wire.Hello(
                host=host[:HOST_CHARS],
                pid=os.getpid(),
                slots=SLOTS,
                libraries=compatibility.libraries(own.libraries if own else ()),
                version=__version__,
            )
        )
        self._transports = transports or SocketsOfProcess()
        self._trainer_links = [
            TrainerLink(
                trainer,
                self._transports.connect(trainer, self.name, key),
                hello,
                health=health or Health(""),
                stay=stay,
                quiet=place > 0,
            )
            for trainer, key in trainers.items()
        ]
        self._trainers = Trainers(self._trainer_links, place, stint)
        self._stop = Stop()
        self._preparing = False  # it is in `Task.setup`
        self._scanned: dict[Endpoint, Scanned] = {}

    def stop(self, *_: Any) -> None:
        """End after the present lease; at the second call, end at once. (A signal handler.)

        A signal that a supervisor passes on does not count as the second one, since a batch system
        signals every process of a job.
        """
        now = time.monotonic()
        if self._preparing:  # it holds no lease, and `setup` may take long
            raise KeyboardInterrupt
        if self._stop.by is None:
            self._stop.by = now + STOP_SECONDS
        elif now > self._stop.by - STOP_SECONDS + ECHO_SECONDS:
            raise KeyboardInterrupt

    @property
    def finished(self) -> bool:
        """Return whether every run of the list is over."""
        return all(link.finished for link in self._trainer_links)

    def run(self) -> None:
        """Work until every run is over, or `stop` is called. Raises the error of a run left out."""
        try:
            while self._stop.by is None and not self._trainers.over:
                link = self._trainers.wait()
                if link is not None:
                    self._serve(link)
                    self._trainers.tell()
        finally:
            self._trainers.close()
            self._transports.close()
            for found in self._scanned.values():
                found.close()
        for link in self._trainer_links:
            if link.error is not None and self._stop.by is None:
                raise link.error

    def _serve(self, link: TrainerLink) -> None:
        welcome = link.welcome
        assert welcome is not None
        session = Session(link, self._trainers, self.name, self._stop, self._watchdog)
        try:
            session.come()
            found = self._open(link, welcome, session)
            shards = ranks.shards_of(link, self._trainer_links)
        except PushFitError as error:
            session.refuse(error)
            link.error = error
            return
        about = welcome.seed, welcome.patches, welcome.expiry, shards
        with Maker(found.task, found.data, self.links, *about, reader=found.reader) as maker:
            try:
                joined = session.join(found.data, maker)
            except DataError as error:
                session.refuse(error)
                link.error = error
                return
            if joined:  # otherwise it says hello again
                session.work(maker)

    def _open(self, link: TrainerLink, welcome: wire.Welcome, session: Session) -> Scanned:
        """The task and data set that `welcome` names. They are scanned once and kept."""
        trainer = link.trainer
        params = wire.encode_params([welcome.params, welcome.facts])
        key = (welcome.task, welcome.source, params, *sorted(welcome.patches))
        about = {"run": welcome.run, "fingerprint": welcome.fingerprint}
        before = self._scanned.get(trainer)
        if before is not None and before.key == key and before.scan.suits(**about):
            return before
        if before is not None:
            del self._scanned[trainer]
            before.close()
        task = tasks.create(welcome.task, welcome.params, welcome.source, self._own)
        if wrong := compatibility.compare_sources(compatibility.source_of(task), welcome.source):
            raise ConfigError(f"{self.name.partition('/')[0]}: {wrong}")
        splits = sorted(welcome.patches)
        scan = scanned(
            task,
            self.links,
            (welcome.source, params, splits),
            lambda: checks.scan(task, self.links, splits),
            **about,
        )
        data = scan.data
        task.facts = {**data.facts, **welcome.facts}
        doing = f"running setup() of the task {task.name}"
        session.come(doing)
        self._set_up(task, lambda: link.health.beat(time.monotonic(), doing))
        found = Scanned(key, task, scan, reading(task, data, self.links))
        try:
            self._check(task, data, found.reader, welcome)
        except BaseException:
            found.close()
            raise
        self._scanned[trainer] = found
        return found

    def _set_up(self, task: Task, beat: Callable[[], None]) -> None:
        self._preparing = True
        try:
            set_up(task, self.links, beat)
        finally:
            self._preparing = False

    def _check(self, task: Task, data: DataSet, reader: Reader, welcome: wire.Welcome) -> None:
        """Raise DataError if nothing can be read, TaskError if the task cannot make a stream."""

        def read(split: str, number: int) -> BaseException | None:
            try:
                reader.take((split, number), welcome.expiry, lambda: None)
            except ReadFailed as failed:
                return failed.error
            return None

        failed = checks.unread(data, welcome.patches, read)
        if failed and not isinstance(failed[1], TimeoutError):  # a hanging server may come back
            path, error = failed
            why = error.strerror or error if isinstance(error, OSError) else raised(error)
            raise DataError(f"{self.links / path} and other records cannot be read: {why}")
        if task.source and not failed:
            self._try(task, data, reader, welcome.expiry)

    def _try(self, task: Task, data: DataSet, reader: Reader, expiry: float) -> None:
        """Raise TaskError if the task cannot make a stream."""
        at = ""

        def begin(path: str) -> None:
            nonlocal at
            at = f"{path}, on which the task {task.name} was tried"
            moved()

        def moved() -> None:
            if self._watchdog:
                self._watchdog.moved(at)

        def take(split: str, number: int) -> Any:
            return reader.take((split, number), expiry, moved)[0]

        if self._watchdog:
            self._watchdog.start(expiry)
        try:
            trial(task, data, self.links, take, begin, place=os.getpid())
        finally:
            if self._watchdog:
                self._watchdog.stop()


class Scanned(NamedTuple):
    """A task and its data set. key: what decides both, but for the files; reader: of records."""

    key: tuple[Any, ...]
    task: Task
    scan: Scan
    reader: Reader

    @property
    def data(self) -> DataSet:
        return self.scan.data

    def close(self) -> None:
        self.reader.close()
        tear_down(self.task)
