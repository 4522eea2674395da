"""One trainer of a generator's list: connected, said hello to, and heard while work is elsewhere.

    hello ─▶ WELCOME ─▶ standing by: ALIVE says who works there, FIN that the run is over
                          │  ▲
          the session has it  a while after its end: hello again

`look` never waits. While a `Session` works for this trainer, it alone reads what comes from there.
"""

from __future__ import annotations

import logging
import time

from lib import container
from lib.errors import ProtocolError, PushFitError, Rejected
from lib.health import Health
from lib.plan.sharing import View
from lib.wire import protocol as wire
from lib.wire.endpoint import Endpoint
from lib.wire.generator_sockets import LINGER_MS, Context, GeneratorSockets
from lib.wire.keys import GeneratorKey

HELLO_SECONDS = 1.0  # between two hellos that are not answered
PATIENCE_SECONDS = 2.0  # before a person is told what this waits for
REST_SECONDS = LINGER_MS / 1000  # from bye to hello: what was pushed last has to arrive before it

log = logging.getLogger("pushfit.generator")


class Contact:
    """What is known of `trainer`. Owns its sockets.

    hello: the frame to begin with. health: where it is noted that this trainer was heard.
    stay: its next run is waited for, too.
    """

    def __init__(
        self,
        trainer: Endpoint,
        name: str,
        hello: bytes,
        *,
        key: GeneratorKey | None,
        context: Context,
        health: Health,
        stay: bool,
    ) -> None:
        self.trainer, self._hello, self._stay = trainer, hello, stay
        self.health = health
        self.sockets = GeneratorSockets(trainer, name, wire.MAX_CONTROL_BYTES, key, context)
        self.welcome: wire.Welcome | None = None  # of the run that it has now
        self.finished = False  # the run that it had last is over
        self.error: PushFitError | None = None  # why there can be no work for it
        self._need = wire.Need()
        self._since = time.monotonic()  # without an answer
        self._hello_at = 0.0
        self._said, self._trouble = False, ""

    @property
    def over(self) -> bool:
        """Nothing more is to be had from it: its run is over, or not for this generator."""
        return self.error is not None or (self.finished and not self._stay)

    @property
    def view(self) -> View | None:
        """For the rule of sharing; None: over."""
        if self.over:
            return None
        return View(self.welcome is not None, self._need.working, self._need.wants)

    @property
    def asked(self) -> bool:
        """It was sent a hello and may answer."""
        return self.welcome is None and self._hello_at > time.monotonic()

    def look(self) -> None:
        """Say hello if it is time; hear what has come."""
        now = time.monotonic()
        before, self._trouble = self._trouble, self.sockets.trouble()
        if self._trouble and self._trouble != before:
            self._said = True
            log.warning("%s does not let this generator in: %s", self.trainer, self._trouble)
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
        if not self._said and now - self._since > PATIENCE_SECONDS:
            self._said = True
            log.info(
                "no answer from %s yet: waiting for a trainer there, for as long as it takes "
                "(Ctrl-C ends this). %s",
                self.trainer,
                container.unanswered(
                    self.trainer.host, self.trainer.port, self.trainer.is_loopback
                ),
            )

    def _hear(self, frame: bytes, now: float) -> None:
        try:
            message = wire.from_trainer(frame)
        except ProtocolError as error:
            self.error = error
            return
        if isinstance(message, wire.Reject):
            self.reject(message)
        elif isinstance(message, wire.Welcome):
            self.welcome, self._need, self._said = message, message.need, False
            self.finished = False
        elif isinstance(message, wire.Fin):
            if self.welcome is not None:  # else it came too late for the run
                log.info("run %s at %s: %s", message.run, self.trainer, message.reason)
            self.sockets.send(wire.encode(wire.Bye(run=message.run, unstarted=[])))
            self.end(message, now)
        elif isinstance(message, wire.Alive) and self.welcome is not None:
            if message.run == self.welcome.run:
                self.hear_of(message)
        elif isinstance(message, wire.Reset):
            self.gone(now)

    def hear_of(self, alive: wire.Alive) -> None:
        """A heartbeat of the trainer."""
        if alive.need is not None:
            self._need = alive.need

    def reject(self, message: wire.Reject) -> None:
        self.error = Rejected(f"{self.trainer} rejected this generator: {message.reason}")

    def end(self, fin: wire.Fin, now: float) -> None:
        """Its run is over, or was interrupted."""
        self.finished = fin.done
        self.gone(now, HELLO_SECONDS)

    def gone(self, now: float, rest: float = 0.0) -> None:
        """It does not know us any more: hello, `rest` seconds from now."""
        self.welcome, self._since = None, now + rest
        self._hello_at = self._since
        self._said = False
