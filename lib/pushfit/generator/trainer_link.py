"""One trainer of a generator's list: the connection to it, from hello to the end of its runs.

    hello ─▶ WELCOME ─▶ standing by: ALIVE says who works there, FIN that the run is over
                          │  ▲
          the session has it  a while after its end: hello again

`look` never waits. While a `Session` works for this trainer, only the session reads its messages.
"""

from __future__ import annotations

import logging
import time

from pushfit import container
from pushfit.endpoint import Endpoint
from pushfit.errors import ProtocolError, PushFitError, Rejected
from pushfit.health import Health
from pushfit.plan.sharing import View
from pushfit.reminder import Reminder
from pushfit.wire import protocol as wire
from pushfit.wire.transports import LINGER_MS, GeneratorTransport

HELLO_SECONDS = 1.0  # between two hellos that are not answered
PATIENCE_SECONDS = 2.0  # before the log says what this generator waits for
MOST_RESETS = 10  # most resets in a row, without a sample that was sent between them
REST_SECONDS = LINGER_MS / 1000  # from bye to hello, so that the last samples arrive before it

log = logging.getLogger("pushfit.generator")


class TrainerLink:
    """The link to `trainer`. It owns the sockets.

    name: the name of this generator.
    hello: the first frame that is sent.
    key: the key for this trainer; None: without encryption.
    health: where each message from the trainer is noted.
    stay: also wait for the trainer's next runs.
    quiet: log nothing, since another process of this host does.
    """

    def __init__(
        self,
        trainer: Endpoint,
        sockets: GeneratorTransport,
        hello: bytes,
        *,
        health: Health,
        stay: bool,
        quiet: bool = False,
    ) -> None:
        self.trainer, self._hello, self._stay = trainer, hello, stay
        self.health = health
        self.sockets = sockets
        self.welcome: wire.Welcome | None = None  # the trainer's welcome to its present run
        self.latest: wire.Welcome | None = None  # the same, also while we work for another one
        self.lost: wire.Welcome | None = None  # `latest` of a trainer that is gone before its end
        self.finished = False  # the trainer's last run is over
        self.error: PushFitError | None = None  # why this generator cannot work for it
        self._need = wire.Need()
        self._since = time.monotonic()  # since when there has been no answer
        self._hello_at = 0.0
        self._resets = 0  # resets in a row: the trainer does not accept our messages
        self._reminder, self._quiet = Reminder(), quiet

    @property
    def over(self) -> bool:
        """Return whether it will give no more work: its run is over, or it rejected us."""
        return self.error is not None or (self.finished and not self._stay)

    @property
    def view(self) -> View | None:
        """The view of this trainer for the rule of sharing; None: it is over."""
        if self.over:
            return None
        need = self._need
        there = self.welcome is not None
        return View(there, need.working, need.wants, need.stock, need.hungry)

    @property
    def asked(self) -> bool:
        """Return whether it was sent a hello that it may still answer."""
        return self.welcome is None and self._hello_at > time.monotonic()

    def look(self) -> None:
        """Send a hello if it is time, and handle the messages that have come."""
        now = time.monotonic()
        trouble = self.sockets.trouble()
        if trouble:
            self._tell(now, f"{self.trainer} does not let this generator in: {trouble}")
        if self.sockets.broken:
            self.sockets.settle()
            self.gone(now)
        while not self.over and (frame := self.sockets.receive()) is not None:
            self.health.beat(now, f"stands by at {self.trainer}")
            self._hear(frame, now)
        if self.welcome is not None or self.over:
            return
        if now >= self._hello_at and self.sockets.send(self._hello):
            self._hello_at = now + HELLO_SECONDS
        if not trouble and now - self._since > PATIENCE_SECONDS:
            self._tell(now, self._no_answer(now))

    def _no_answer(self, now: float) -> str:
        waiting = "waiting for a trainer there, for as long as it takes (Ctrl-C ends this)"
        if trouble := self.sockets.unresolved(now):
            return f"no answer from {self.trainer}: {trouble}; {waiting}"
        where = container.unanswered(self.trainer.host, self.trainer.port, self.trainer.is_loopback)
        return f"no answer from {self.trainer} yet: {waiting}. {where}"

    def _tell(self, now: float, text: str) -> None:
        """Log why there is no work there, when the reason changes and then rarely."""
        if not self._quiet and self._reminder.due(str(self.trainer), text, now):
            log.warning("%s", text)

    def _hear(self, frame: bytes, now: float) -> None:
        try:
            message = wire.from_trainer(frame)
        except ProtocolError as error:
            self.misunderstood(error)
            return
        if isinstance(message, wire.Reject):
            self.reject(message)
        elif isinstance(message, wire.Welcome):
            self.welcome = self.latest = message
            self.lost = None
            self._need = message.need
            self.finished = False
            self._reminder.over(str(self.trainer))
        elif isinstance(message, wire.Fin):
            if self.welcome is not None:  # otherwise this generator came too late for the run
                log.info("run %s at %s: %s", message.run, self.trainer, message.reason)
            self.sockets.send(wire.encode(wire.Bye(run=message.run, unstarted=[])))
            self.end(message, now)
        elif isinstance(message, wire.Alive) and self.welcome is not None:
            if message.run == self.welcome.run:
                self.hear_of(message)
        elif isinstance(message, wire.Reset):
            self.reset(now)

    def hear_of(self, alive: wire.Alive) -> None:
        """Note a heartbeat of the trainer."""
        if alive.need is not None:
            self._need = alive.need

    def misunderstood(self, error: ProtocolError) -> None:
        """Note that it sent an invalid message, so that none of its messages can be trusted."""
        self.error = ProtocolError(f"{self.trainer} does not keep to the protocol: {error}")

    def reject(self, message: wire.Reject) -> None:
        self.error = Rejected(f"{self.trainer} rejected this generator: {message.reason}")

    def end(self, fin: wire.Fin, now: float) -> None:
        """Note that its run is over, or was interrupted."""
        self.finished = fin.done
        self.gone(now, HELLO_SECONDS)

    def reset(self, now: float) -> None:
        """Start again, as the trainer asked. Many resets in a row mean that it rejects us."""
        self._resets += 1
        if self._resets >= MOST_RESETS:
            self.error = ProtocolError(
                f"{self.trainer} has reset this generator {self._resets} times in a row, so it "
                "does not accept its messages: check that both have the same version of PushFit; "
                "the trainer's log says what is wrong"
            )
        self.latest = None
        self.left(now, HELLO_SECONDS if self._resets > 1 else 0.0)

    def worked(self) -> None:
        """Note that samples were sent there, so that the trainer accepts our messages."""
        self._resets = 0

    def gone(self, now: float, rest: float = 0.0) -> None:
        """Note that nobody there can be heard, or that the run has ended."""
        if self.latest is not None and not self.finished:
            self.lost = self.latest
            _, world, rank = self.latest.shards
            if world > 1:
                of = f"rank {rank} of {world} at {self.trainer}"
                self._tell(now, f"{of} is gone: the other ranks wait for it")
        self.latest = None  # another run may come
        self.left(now, rest)

    def left(self, now: float, rest: float = 0.0) -> None:
        """Note that it does not know us any more. The next hello is sent in `rest` seconds."""
        if self.welcome is not None:
            self._since = now + rest
        self.welcome = None
        self._hello_at = now + rest
