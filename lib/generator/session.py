"""One stay with a trainer: from READY until FIN, RESET, the end of the connection, or another run.

- Everything happens in one thread, but for the reading of the files to come (`Reader`) and the
  `Watchdog`. Control is polled between patches and while a file is waited for, so a lease is
  answered, and an end obeyed, within one patch.
- What was under way when a connection ends is lost with it. Who leaves of its own accord, for
  another run or for good, says which leases it has not begun, and what it pushed still counts.
- Nothing that a user's transform or a file raises ends the session: it is reported in the lease (a
  bad record with its substitute) or as FAIL. One that hangs is ended by the watchdog; one that
  crashes in C ends it. In a **careful** lease the trainer has heard before of which record it was.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress

import msgspec

from lib import container
from lib.errors import ProtocolError, TaskError, WireError
from lib.generator.contact import REST_SECONDS, Contact
from lib.generator.maker import Away, Control, Maker, Unmakeable, Unreadable
from lib.generator.packer import Packer
from lib.generator.round import Round
from lib.generator.watchdog import Watchdog
from lib.tasks import identity
from lib.tasks.base import DataSet
from lib.wire import listing
from lib.wire import protocol as wire

WAIT_SECONDS = 0.25  # at most between two looks at the clock, …
DATA_SECONDS = 10.0  # for the connection that samples leave by
LEAVING_SECONDS = 0.01  # … and while samples are on their way

log = logging.getLogger("pushfit.generator")


class Stop:
    """by: when to have ended, once told to."""

    by: float | None = None


class SessionOver(Exception):
    """The session ended while a lease was being made."""


class Session(Control):
    """Work for `contact`, which has welcomed the generator called `name`.

    others: heard meanwhile, and asked where to go on. watchdog: ends the process when this is
    stuck; without one nothing does.
    """

    def __init__(
        self, contact: Contact, others: Round, name: str, stop: Stop, watchdog: Watchdog | None
    ) -> None:
        assert contact.welcome is not None
        self._contact, self._others, self._stop = contact, others, stop
        self._watchdog = watchdog
        self.name, self.trainer = name, contact.trainer
        self._welcome, self._sockets = contact.welcome, contact.sockets
        self._over: str | None = None  # why it ended, …
        self._fin: wire.Fin | None = None  # … by the trainer's word, …
        self._left = False  # … or by ours
        self._hand: deque[wire.Grant] = deque()
        self._packer = Packer(self._welcome.compress)
        self._pushed = 0.0  # when a lease last went to the sockets
        self._sending = self._idle = 0.0  # seconds without work since then: see `wire.Stages`
        self._idled = 0.0  # … and in the session
        self._heard = time.monotonic()
        self._said = 0.0
        self._doing = ""
        self._at = (-1, -1)  # lease and record in the making
        self._answered = (-1, -1)  # what the trainer has heard that we are at
        self._sockets.settle()
        self._sockets.open_data(self._welcome.data_port)

    def come(self) -> None:
        """Tell the trainer that this one is on its way: to scan a data set may take a while."""
        self._doing = "scanning its data"
        self._say(ask=False)
        self._doing = ""

    def join(self, data: DataSet, maker: Maker) -> bool:
        """Say that `data` is here, once it is.

        False where the trainer went away, or takes no samples, or where we are told to end.
        """
        if self._reach_data() and self._find_data(maker) and self._ready(data):
            return True
        self._end()
        return False

    def _find_data(self, maker: Maker) -> bool:
        """Wait while the data is away, and have the trainer know."""
        with suppress(SessionOver):
            while self._stop.by is None:
                try:
                    maker.look(self, *self._welcome.patches)
                    self._doing = ""
                    return True
                except Away as away:
                    self._doing = f"waiting for its data ({away})"
                    self._poll(WAIT_SECONDS)
        return False

    def _reach_data(self) -> bool:
        """Whether samples can leave: else a trainer would grant, and wait in vain."""
        port, until = self._welcome.data_port, time.monotonic() + DATA_SECONDS
        with suppress(SessionOver):
            while not self._sockets.reaches_data(WAIT_SECONDS):
                self._poll(0.0)
                if self._stop.by is not None:
                    return False
                if time.monotonic() > until:
                    reason = (
                        f"{self.trainer} answers, but samples cannot go to its port {port}: open "
                        "it in the firewall, and where the trainer is in a container, "
                        + container.publish(self.trainer.port, port)
                    )
                    log.warning("%s", reason)
                    self._fail(-1, -1, WireError(reason))
                    return False
            return True
        return False

    def _ready(self, data: DataSet) -> bool:
        welcome, files = self._welcome, b""
        if data.fingerprint() != welcome.fingerprint:
            files = listing.pack(identity.listing(data))
        return self._send(
            wire.Ready(
                run=welcome.run,
                fingerprint=data.fingerprint(),
                classes=data.classes,
                counts=data.counts(),
                listing=files,
            )
        )

    def refuse(self, error: Exception) -> None:
        """Tell the trainer why there can be no work for it here."""
        self._fail(-1, -1, error)

    def work(self, maker: Maker) -> None:
        """Make what is granted until the session is over. Raises Rejected."""
        log.info("found run %s at %s: task %s", self._welcome.run, self.trainer, self._welcome.task)
        self._others.began()
        if self._watchdog:
            self._watchdog.start(self._welcome.expiry)
        try:
            self._work(maker)
        except SessionOver:
            pass
        finally:
            if self._watchdog:
                self._watchdog.stop()
            self._end()
        log.info("left run %s: %s", self._welcome.run, self._over)

    def _end(self) -> None:
        contact, now = self._contact, time.monotonic()
        if self._stop.by is None:  # else what is on its way still counts, and all ends with us
            self._sockets.drop_data(keep=self._left)
        self._others.ended()
        if self._fin is not None:
            contact.end(self._fin, now)
        else:
            contact.gone(now, REST_SECONDS if self._left else 0.0)

    def _work(self, maker: Maker) -> None:
        while True:
            if self._hand:
                self._poll(0.0)
            else:
                self._wait()
            if self._stop.by is not None:
                self._leave("told to end")
                return
            if where := self._others.onward(self._idled, self._welcome.heartbeat):
                self._leave(where)
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
            self._idled += spent

    def _make(self, maker: Maker, grant: wire.Grant) -> None:
        try:
            lease = maker.make(grant, ahead=self._hand, control=self)
        except Away as error:
            log.warning(
                "%s, nor can others be read: the data is away. Other generators get these leases; "
                "this one goes on when it is back",
                error,
            )
            self._leave("its data cannot be read")
            raise SessionOver from error
        except (Unreadable, Unmakeable, TaskError) as error:
            level = logging.INFO if isinstance(error, TaskError) else logging.DEBUG
            log.log(level, "lease %d: %s", grant.lease, error)
            self._fail(grant.lease, grant.fence, error)
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

    def _leave(self, why: str) -> None:
        self._over, self._left = why, True
        back = [grant.lease for grant in self._hand] + [
            lease for lease, _ in [self._at] if lease >= 0
        ]
        self._send(wire.Bye(run=self._welcome.run, unstarted=back))

    def _fail(self, lease: int, fence: int, error: Exception) -> None:
        unreadable = isinstance(error, Unreadable)
        self._send(
            wire.Fail(
                run=self._welcome.run,
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
        lease, record = self._at
        self._send(
            wire.Heartbeat(
                run=self._welcome.run, doing=self._doing, lease=lease, record=record, ask=ask
            )
        )

    def _poll(self, seconds: float, *, ask: bool = False) -> None:
        """Handle what has come, say that we live. Raises SessionOver when the session is."""
        if self._watchdog:
            self._watchdog.moved(f"{self._doing} of lease {self._at[0]}")
        frame = self._sockets.receive(seconds)
        while frame is not None:
            self._heard = time.monotonic()
            self._on_message(frame)
            frame = self._sockets.receive()
            self._contact.health.beat(self._heard, f"in a run at {self.trainer}")
        now = time.monotonic()
        self._others.look()
        self._sockets.look_after()
        if self._sockets.broken and self._over is None:
            self._over = f"the connection to {self.trainer} closed"
        if now - self._said > self._welcome.heartbeat:
            self._say(ask=ask)
        if self._stop.by is not None and now > self._stop.by and self._over is None:
            self._leave("told to end")
        if now - self._heard > 2 * self._welcome.silence:
            self._over = f"{self.trainer} has been silent for {now - self._heard:.0f} s"
        if self._over is not None:
            raise SessionOver

    def _on_message(self, frame: bytes) -> None:
        try:
            message = wire.from_trainer(frame)
        except ProtocolError as error:
            log.warning("%s: %s", self.trainer, error)
            return
        if isinstance(message, wire.Reject):
            self._contact.reject(message)
            self._over = "it rejected this generator"
        elif message.run != self._welcome.run:
            self._over = "the trainer was restarted"
        elif isinstance(message, wire.Alive):
            self._contact.hear_of(message)
            if message.lease >= 0:  # not a heartbeat alone
                self._answered = message.lease, message.record
        elif isinstance(message, wire.Lease):
            self._hand.extend(message.grants)
        elif isinstance(message, wire.Fin):
            self._fin, self._over = message, message.reason or "the run is over"
            self._send(wire.Bye(run=message.run, unstarted=[]))  # heard: the trainer may go
        elif isinstance(message, wire.Reset):
            self._over = "the trainer lost sight of this generator"

    def _send(self, message: wire.Message) -> bool:
        self._said = time.monotonic()
        return self._sockets.send(wire.encode(message))
