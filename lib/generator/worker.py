"""One generator process: lease → read → decode → K patches → push.

- Everything happens in one thread, but for the reading of the files to come (`Reader`) and the
  `Watchdog`. Control is polled between patches and while a file is waited for, so a lease is
  answered, and an end obeyed, within one patch.
- A session lasts from WELCOME to FIN, RESET, or the end of a connection (what was under way is
  lost with it); then the worker drops what it holds and says hello again, for ever, with one line
  to the log for each change.
- Nothing that a user's transform or a file raises ends the worker: it is reported in the lease (a
  bad record with its substitute) or as FAIL. One that hangs is ended by the watchdog; one that
  crashes in C ends it. In a **careful** lease the trainer has heard before of which record it was.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from lib import tasks
from lib.errors import DataError, ProtocolError, Rejected
from lib.generator.maker import Control, Maker, Unmakeable, Unreadable
from lib.generator.packer import Packer
from lib.generator.watchdog import Watchdog
from lib.tasks import identity
from lib.tasks.base import DataSet, Task
from lib.wire import protocol as wire
from lib.wire.endpoint import Endpoint
from lib.wire.generator_sockets import GeneratorSockets
from lib.wire.keys import GeneratorKey

HELLO_SECONDS = 1.0  # between two hellos that are not answered
CONNECT_SECONDS = 0.02  # between two looks whether the connection stands yet
PATIENCE_SECONDS = 2.0  # before a person is told what this waits for
WAIT_SECONDS = 0.25  # at most between two looks at the clock, …
LEAVING_SECONDS = 0.01  # … and while samples are on their way
STOP_SECONDS = 1.5  # for the lease in hand when told to end; then it goes back
SLOTS = 64  # leases in hand at most; the trainer gives two unless they are very short

log = logging.getLogger("pushfit.generator")


class _SessionOver(Exception):
    """The session ended while a lease was being made."""


class Worker(Control):
    """Connects to `trainer` and makes samples from what lies behind `links` until told to end.

    watchdog: ends the process when the worker is stuck; without one nothing does.
    """

    def __init__(
        self,
        trainer: Endpoint,
        links: Path,
        *,
        stay: bool = False,
        key: GeneratorKey | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.trainer, self.links, self.stay = trainer, links, stay
        self._watchdog = watchdog
        self.host = socket.gethostname()
        self.name = f"{self.host}/{os.getpid()}/{os.urandom(8).hex()}"  # not to be guessed
        self._sockets = GeneratorSockets(trainer, self.name, wire.MAX_CONTROL_BYTES, key)
        self._stop_by: float | None = None  # told to end: when at the latest
        self._over: str | None = None  # why the session ended
        self.finished = False  # the run that it worked for is over
        self._hand: deque[wire.Grant] = deque()
        self._packer = Packer("none")
        self._pushed = 0.0  # when a lease last went to the sockets
        self._sending = self._idle = 0.0  # seconds without work since then: see `wire.Stages`
        self._heard = self._said = 0.0
        self._welcome: wire.Welcome | None = None
        self._doing = ""
        self._at = (-1, -1)  # lease and record in the making
        self._answered = (-1, -1)  # what the trainer has heard that we are at
        self._scanned: tuple[tuple[Any, ...], Task, DataSet] | None = None

    def stop(self, *_: Any) -> None:
        """End after the lease in hand (a signal handler). The second time: end at once."""
        if self._stopping:
            raise KeyboardInterrupt
        self._stop_by = time.monotonic() + STOP_SECONDS

    @property
    def _stopping(self) -> bool:
        return self._stop_by is not None

    def run(self) -> None:
        """Work until FIN or `stop`. Raises Rejected, or DataError for data that cannot serve."""
        try:
            while not self._stopping and (self.stay or not self.finished):
                welcome = self._say_hello()
                if welcome is not None:
                    self._session(welcome)
        finally:
            self._sockets.close()

    # -- before a session ---------------------------------------------------------------------

    def _say_hello(self) -> wire.Welcome | None:
        hello = wire.encode(
            wire.Hello(
                host=self.host,
                pid=os.getpid(),
                slots=SLOTS,
                libraries=identity.libraries(),
                source=identity.source_hash(),
            )
        )
        started = time.monotonic()
        said_so, trouble = False, ""
        while not self._stopping:
            connected = self._sockets.send(hello)
            frame = self._sockets.receive(HELLO_SECONDS if connected else CONNECT_SECONDS)
            said, trouble = trouble, self._sockets.trouble()
            if trouble and trouble != said:
                said_so = True
                log.warning("%s does not let this generator in: %s", self.trainer, trouble)
            if frame is not None:
                message = wire.from_trainer(frame)
                if isinstance(message, wire.Reject):
                    raise Rejected(f"{self.trainer} rejected this generator: {message.reason}")
                if isinstance(message, wire.Welcome):
                    return message
                if isinstance(message, wire.Fin):  # came too late for the run
                    self.finished = message.done
                    return None
            elif not said_so and time.monotonic() - started > PATIENCE_SECONDS:
                said_so = True
                log.info(
                    "no answer from %s yet: waiting for a trainer there, for as long as it takes "
                    "(Ctrl-C ends this)",
                    self.trainer,
                )
        return None

    def _open(self, welcome: wire.Welcome) -> tuple[Task, DataSet]:
        """The task and the data set that `welcome` names; scanned once for as long as they stay."""
        key = (welcome.task, wire.encode_params(welcome.params))
        if self._scanned is None or self._scanned[0] != key:
            task = tasks.create(welcome.task, welcome.params)
            self._scanned = key, task, task.scan(self.links)
        return self._scanned[1], self._scanned[2]

    # -- a session ------------------------------------------------------------------------------

    def _session(self, welcome: wire.Welcome) -> None:
        self._welcome, self._over, self._doing = welcome, None, ""
        self._at = -1, -1
        self._hand.clear()
        self._packer = Packer(welcome.compress)
        self._sending = self._idle = 0.0
        self._sockets.settle()
        self._heard = time.monotonic()
        try:
            task, data = self._open(welcome)
        except DataError as error:
            self._fail(welcome, -1, -1, error)
            raise
        listing = b""
        if data.fingerprint() != welcome.fingerprint:
            listing = wire.pack_listing(identity.listing(data))
        ready = wire.Ready(
            run=welcome.run,
            fingerprint=data.fingerprint(),
            classes=data.classes,
            counts=data.counts(),
            listing=listing,
        )
        if not self._send(ready):
            return  # the trainer went away meanwhile: hello again
        log.info("found run %s at %s: task %s", welcome.run, self.trainer, welcome.task)
        self._sockets.open_data(welcome.data_port)
        if self._watchdog:
            self._watchdog.start(welcome.expiry)
        try:
            with Maker(
                task, data, self.links, welcome.seed, welcome.patches, welcome.expiry
            ) as maker:
                self._work(maker)
        except _SessionOver:
            if not self._stopping:  # else what is on its way still counts
                self._sockets.drop_data()
        finally:
            if self._watchdog:
                self._watchdog.stop()
        log.info("left run %s: %s", welcome.run, self._over)

    def _work(self, maker: Maker) -> None:
        while True:
            if self._hand:
                self._poll(0.0)
            else:
                self._wait()
            if self._stopping:
                self._leave()
                return
            if self._hand:
                self._make(maker, self._hand.popleft())
                self._at = -1, -1

    def _wait(self) -> None:
        """Poll with nothing to make, and count what for."""
        began = time.monotonic()
        just_now = began - self._pushed < LEAVING_SECONDS  # ZeroMQ's thread may not have begun yet
        leaving = just_now or self._sockets.leaving()
        self._poll(LEAVING_SECONDS if leaving else WAIT_SECONDS)
        spent = time.monotonic() - began
        if leaving and (not just_now or self._sockets.leaving()):
            self._sending += spent
        else:
            self._idle += spent

    def _make(self, maker: Maker, grant: wire.Grant) -> None:
        assert self._welcome is not None
        try:
            lease = maker.make(grant, ahead=self._hand, control=self)
        except (Unreadable, Unmakeable) as error:
            log.debug("lease %d: %s", grant.lease, error)
            self._fail(self._welcome, grant.lease, grant.fence, error)
            return
        self._at = -1, -1  # from here on it waits for the network alone
        began = time.monotonic()
        frames, packed = self._packer.pack(lease.arrays)
        stages = msgspec.structs.replace(
            lease.stages, pack=time.monotonic() - began, send=self._sending, idle=self._idle
        )
        header = wire.encode(
            wire.Data(
                run=self._welcome.run,
                generator=self.name,
                lease=grant.lease,
                fence=grant.fence,
                first=grant.first,
                count=len(grant.records),
                arrays=lease.specs,
                stages=stages,
                bad=lease.bad,
                packed=packed,
            )
        )
        began = time.monotonic()
        while not self._sockets.push(header, frames, WAIT_SECONDS):
            self._poll(0.0)
        self._pushed = time.monotonic()
        nbytes = sum(array.nbytes for array in lease.arrays)
        self._packer.sent(nbytes, stages.send, self._pushed)
        self._sending, self._idle = self._pushed - began, 0.0
        log.debug(
            "lease %d: %d visits of %s epoch %d, decode %.3f s, transform %.3f s, %d bad",
            *(grant.lease, len(grant.records), grant.split, grant.epoch),
            *(stages.decode, stages.transform, len(lease.bad)),
        )

    def _leave(self) -> None:
        assert self._welcome is not None
        self._over = "told to end"
        back = [grant.lease for grant in self._hand] + [
            lease for lease, _ in [self._at] if lease >= 0
        ]
        self._send(wire.Bye(run=self._welcome.run, unstarted=back))

    def _fail(self, welcome: wire.Welcome, lease: int, fence: int, error: Exception) -> None:
        unreadable = isinstance(error, Unreadable)
        self._send(
            wire.Fail(
                run=welcome.run,
                lease=max(lease, 0),
                fence=max(fence, 0),
                record=error.record if isinstance(error, Unreadable) else -1,
                path=error.path if isinstance(error, Unreadable) else "",
                reason=str(error)[:4000],
                retry=unreadable,
            )
        )

    # -- control --------------------------------------------------------------------------------

    def begin(self, grant: wire.Grant, record: int, path: str) -> None:
        """In a careful lease: the trainer hears of `record` before anything can happen to us."""
        self._at, self._doing = (grant.lease, record), path
        if grant.careful:
            self._answered = -1, -1
            self._say(ask=True)
            while self._answered != self._at:
                self._poll(WAIT_SECONDS, ask=True)

    def pause(self) -> None:
        """Called between patches, and while a file is waited for."""
        self._poll(0.0)

    def _say(self, *, ask: bool) -> None:
        assert self._welcome is not None
        lease, record = self._at
        self._send(
            wire.Heartbeat(
                run=self._welcome.run, doing=self._doing, lease=lease, record=record, ask=ask
            )
        )

    def _poll(self, seconds: float, *, ask: bool = False) -> None:
        """Handle what has come, say that we live. Raises _SessionOver when the session is."""
        assert self._welcome is not None
        if self._watchdog:
            self._watchdog.moved(f"{self._doing} of lease {self._at[0]}")
        frame = self._sockets.receive(seconds)
        while frame is not None:
            self._heard = time.monotonic()
            self._on_message(frame)
            frame = self._sockets.receive()
        now = time.monotonic()
        self._sockets.look_after()
        if self._sockets.broken and self._over is None:
            self._over = f"the connection to {self.trainer} closed"
        if now - self._said > self._welcome.heartbeat:
            self._say(ask=ask)
        if self._stop_by is not None and now > self._stop_by and self._over is None:
            self._leave()
        if now - self._heard > 2 * self._welcome.silence:
            self._over = f"{self.trainer} has been silent for {now - self._heard:.0f} s"
        if self._over is not None:
            raise _SessionOver

    def _on_message(self, frame: bytes) -> None:
        assert self._welcome is not None
        try:
            message = wire.from_trainer(frame)
        except ProtocolError as error:
            log.warning("%s: %s", self.trainer, error)
            return
        if isinstance(message, wire.Reject):
            raise Rejected(f"{self.trainer} rejected this generator: {message.reason}")
        if message.run != self._welcome.run:
            self._over = "the trainer was restarted"
        elif isinstance(message, wire.Alive):
            if message.lease >= 0:  # not a heartbeat alone
                self._answered = message.lease, message.record
        elif isinstance(message, wire.Lease):
            self._hand.extend(message.grants)
        elif isinstance(message, wire.Fin):
            self.finished = message.done
            self._over = message.reason or "the run is over"
            self._send(wire.Bye(run=message.run, unstarted=[]))  # heard: the trainer may go
        elif isinstance(message, wire.Reset):
            self._over = "the trainer lost sight of this generator"

    def _send(self, message: wire.Message) -> bool:
        self._said = time.monotonic()
        return self._sockets.send(wire.encode(message))
