"""A session with a trainer: from READY until FIN, RESET, a closed connection, or another run.

- Everything happens in one thread, except for reading files ahead (`Reader`) and the `Watchdog`.
  Messages are polled between samples and while a file is waited for, so a message takes effect
  within the time of one sample.
- Leases in progress are lost when the connection closes. A generator that leaves by itself reports
  which leases it has not begun, and the samples that it pushed still count.
- An exception of user code or of a file never ends the session: it is reported in the lease (as a
  bad record with its substitute) or as FAIL. The watchdog ends a process whose user code hangs, and
  a crash in C ends it, too. In a **careful** lease the trainer was told before which record it is.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress

import msgspec
from msgspec import UNSET

from pushfit import container
from pushfit.errors import DataError, ProtocolError, TaskError, WireError
from pushfit.generator.compressor import Compressor
from pushfit.generator.control import Control
from pushfit.generator.maker import Maker
from pushfit.generator.trainer_link import REST_SECONDS, TrainerLink
from pushfit.generator.trainers import Trainers
from pushfit.generator.trouble import Away, Unmakeable, Unreadable, sendable
from pushfit.generator.watchdog import Watchdog
from pushfit.tasks import compatibility
from pushfit.tasks.base import DataSet, Task
from pushfit.tasks.visiting import Visiting
from pushfit.wire import file_listing, packed_visiting
from pushfit.wire import protocol as wire

WAIT_SECONDS = 0.25  # longest wait for a message before the clock is read again
DATA_SECONDS = 10.0  # longest wait for the connection for samples
LEAVING_SECONDS = 0.01  # the same wait while samples are being sent

log = logging.getLogger("pushfit.generator")


class Stop:
    """by: the time by which the process must have ended; None: nobody told it to end."""

    by: float | None = None


class SessionOver(Exception):
    """The session ended while a lease was being made."""


class Session(Control):
    """Work for `link`, a trainer that has welcomed this generator.

    others: all trainers; they are listened to meanwhile, and say when to move to another.
    name: the name of this generator.
    stop: when to end.
    watchdog: ends the process when it is stuck; None: nothing does.
    """

    def __init__(
        self, link: TrainerLink, others: Trainers, name: str, stop: Stop, watchdog: Watchdog | None
    ) -> None:
        assert link.welcome is not None
        self._link, self._others, self._stop = link, others, stop
        self._watchdog = watchdog
        self.name, self.trainer = name, link.trainer
        self._welcome, self._sockets = link.welcome, link.sockets
        self._over: str | None = None  # why the session ended; None: it has not
        self._fin: wire.Fin | None = None  # the trainer's message that ended it
        self._left = False  # this generator ended it
        self._reset = False  # it ended since the trainer does not know this generator
        self._hand: deque[wire.Grant] = deque()
        self._compressor = Compressor(self._welcome.compress)
        self._maker: Maker | None = None  # once joined
        self._pushed = 0.0  # when a lease last went to the sockets
        self._sending = self._idle = 0.0  # seconds without work since then: see `wire.Stages`
        self._idled = 0.0  # seconds without work in the whole session
        self._heard = time.monotonic()
        self._said = 0.0
        self._doing = ""
        self._at = (-1, -1)  # lease and record that are being made
        self._answered = (-1, -1)  # the lease and record that the trainer was told last
        self._sockets.settle()
        self._sockets.open_data(self._welcome.data_port)

    def come(self, doing: str = "scanning its data") -> None:
        """Tell the trainer that this generator is about to join, which may take a while."""
        self._doing = doing
        self._say(ask=False)
        self._doing = ""

    def join(self, data: DataSet, maker: Maker) -> bool:
        """Wait until `data` can be read, and tell the trainer that this generator is ready.

        Returns False if the trainer went away or takes no samples, or if this process must end.
        """
        if self._reach_data() and self._find_data(maker) and self._ready(data, maker.task):
            self._maker = maker
            return True
        self._end()
        return False

    def _find_data(self, maker: Maker) -> bool:
        """Wait while the data cannot be read, and tell the trainer. Returns False as `join`."""
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
        """Return whether samples can be sent: if not, the trainer's grants would be in vain."""
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

    def _ready(self, data: DataSet, task: Task) -> bool:
        welcome, files, how, fingerprint = self._welcome, b"", Visiting(), data.fingerprint()
        if fingerprint != welcome.fingerprint:
            files, how = file_listing.pack(compatibility.listing(data)), data.visiting()
        ready = wire.Ready(
            run=welcome.run,
            source=compatibility.source_of(task),
            fingerprint=fingerprint,
            classes=data.classes,
            counts=data.counts(),
            listing=files,
            unused=list(data.unused[: wire.MAX_REASONS]),
            validation=data.validation[:4096],
            version=data.version,
            facts=dict(data.facts),
            weights=packed_visiting.pack(how.weights) or UNSET,
            groups=packed_visiting.pack(how.groups) or UNSET,
        )
        if reason := wire.unfit(ready):
            longest = max(data.classes, key=len, default="")
            raise DataError(
                f"no trainer can take this data set: {reason}. It has {len(data.classes):,} "
                f"classes, the longest name of which has {len(longest):,} characters: "
                f"{longest[:40]!r}…"
            )
        return self._send(ready)

    def refuse(self, error: Exception) -> None:
        """Tell the trainer why this generator cannot work for it."""
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
        link, now = self._link, time.monotonic()
        if self._stop.by is None:  # a process that ends lets the samples on their way arrive
            self._sockets.drop_data(keep=self._left)
        self._others.ended()
        if self._fin is not None:
            link.end(self._fin, now)
        elif self._reset:
            link.reset(now)
        elif self._left:
            link.left(now, REST_SECONDS)
        else:
            link.gone(now)

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
        """Poll while there is nothing to make, and count the time as idle or sending."""
        began = time.monotonic()
        just_now = began - self._pushed < LEAVING_SECONDS  # ZeroMQ's thread may not have started
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
                "%s, and other records cannot be read, either: the data is away. Other generators "
                "get these leases; this generator continues when its data is back",
                error,
            )
            self._leave("its data cannot be read")
            raise SessionOver from error
        except (Unreadable, Unmakeable, TaskError) as error:
            level = logging.INFO if isinstance(error, TaskError) else logging.DEBUG
            log.log(level, "lease %d: %s", grant.lease, error)
            self._fail(grant.lease, grant.fence, error)
            return
        self._at = -1, -1  # from here on it waits only for the network
        began = time.monotonic()
        frames, packed = self._compressor.pack(lease.arrays)
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
        self._link.worked()
        nbytes = sum(array.nbytes for array in lease.arrays)
        self._compressor.sent(nbytes, stages.send, self._pushed)
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
                reason=sendable(str(error))[:4000],
                retry=unreadable,
            )
        )

    # -- control --------------------------------------------------------------------------------

    def begin(self, grant: wire.Grant, record: int, path: str) -> None:
        """In a careful lease, announce `record` to the trainer before it can crash this process."""
        self._at, self._doing = (grant.lease, record), path
        self._moved()
        if grant.careful:
            self._answered = -1, -1
            self._say(ask=True)
            while self._answered != self._at:
                self._poll(WAIT_SECONDS, ask=True)

    def pause(self) -> None:
        """Called between samples, and while a file is waited for."""
        self._poll(0.0)

    def _moved(self) -> None:
        if self._watchdog:
            lease = self._at[0]
            self._watchdog.moved(f"{self._doing} of lease {lease}" if lease >= 0 else self._doing)

    def _say(self, *, ask: bool) -> None:
        lease, record = self._at
        self._send(
            wire.Heartbeat(
                run=self._welcome.run,
                doing=self._doing,
                lease=lease,
                record=record,
                ask=ask,
                gone=self._others.gone(self._link),
            )
        )

    def _poll(self, seconds: float, *, ask: bool = False) -> None:
        """Handle the messages that have come, and send a heartbeat.

        Raises SessionOver if the session has ended.
        """
        self._moved()
        frame = self._sockets.receive(seconds)
        while frame is not None:
            self._heard = time.monotonic()
            self._on_message(frame)
            frame = self._sockets.receive()
            busy, doing = self._welcome.expiry, f"in a run at {self.trainer}"
            self._link.health.beat(self._heard, doing, busy)
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
            self._hear(wire.from_trainer(frame))
        except ProtocolError as error:
            self._link.misunderstood(error)
            self._leave("it does not keep to the protocol")

    def _hear(self, message: wire.FromTrainer) -> None:
        if isinstance(message, wire.Reject):
            self._link.reject(message)
            self._over = "it rejected this generator"
        elif message.run != self._welcome.run:
            self._over = "the trainer was restarted"
        elif isinstance(message, wire.Alive):
            self._link.hear_of(message)
            if message.lease >= 0:  # it is not only a heartbeat
                self._answered = message.lease, message.record
        elif isinstance(message, wire.Grants):
            if self._maker is None:
                raise ProtocolError("it granted leases before this generator was ready for them")
            for grant in message.grants:
                self._maker.check(grant)
            self._hand.extend(message.grants)
        elif isinstance(message, wire.Fin):
            self._fin, self._over = message, message.reason or "the run is over"
            self._send(wire.Bye(run=message.run, unstarted=[]))  # now the trainer may end
        elif isinstance(message, wire.Reset):
            self._reset = True
            self._over = "the trainer lost sight of this generator"

    def _send(self, message: wire.Message) -> bool:
        self._said = time.monotonic()
        return self._sockets.send(wire.encode(message))
