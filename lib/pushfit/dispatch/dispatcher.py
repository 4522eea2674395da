"""A stream of deliveries for one consumer: which thread runs the exchange with the fleet, and when.

While the consumer waits for a delivery, it takes the turns of the `Exchange` itself. While it is
busy, a thread of the dispatcher takes them. The thread that holds the baton may use the sockets. So
at full load no thread has to wake another, which is noticeable with leases of 0.8 MB.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from pushfit.dispatch.exchange import TICK_SECONDS, Exchange
from pushfit.errors import ProtocolError, PushFitError, StreamClosed, StreamTimeout
from pushfit.feed.source import Delivery, Reference
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan
from pushfit.wire import protocol as wire
from pushfit.wire.transports import TrainerTransport

LEND_SECONDS = 0.005  # time for which the thread leaves the sockets to the consumer
FAREWELL_SECONDS = 5.0  # time for the fleet's answers to FIN
HASTY_SECONDS = 0.5  # the same after an interruption, since a person waits for the end
BACK_SECONDS = 1.5  # time for the hello of a generator that has just lost its connection
PATIENCE_SECONDS = 10.0  # time after which a wait is explained
REMIND_SECONDS = 30.0  # time after which it is explained again
LOOK_SECONDS = 0.25  # time between two calls of what watches the consumer

log = logging.getLogger("pushfit.trainer")


class Dispatcher:
    """The deliveries of a run. Start it, iterate over `deliveries()`, and close it.

    Call `handed` for each lease whose samples are all in batches, so that its bytes leave the
    budget.

    timeout: seconds without a delivery after which a wait for one raises StreamTimeout.

    `watch` is called a few times a second with the time, in monotonic seconds, while no other
    thread changes the exchange. It must not wait.
    """

    def __init__(
        self, sockets: TrainerTransport, exchange: Exchange, *, timeout: float = math.inf
    ) -> None:
        self.exchange = exchange
        self._timeout = timeout
        self.failure: PushFitError | None = None  # what ended the stream early
        self._sockets = sockets
        self._baton = threading.Lock()
        self._wanted = False  # the consumer waits for the baton or holds it
        self._pumped = 0.0  # monotonic seconds at which the consumer last gave the baton back
        self._closing = False
        self.watch: Callable[[float], None] = lambda now: None
        self._looked = 0.0  # monotonic seconds at which it was called last
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    # -- the consumer's side --------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def reference(self, say: Callable[[str], None]) -> Reference:
        """The run's data set. If the trainer has none, this waits for that of a generator.

        It also waits for the first lease, since the data set may change before that.
        say: called with a sentence if there is something to wait for.
        """
        if not self.exchange.settled:
            how = self.exchange.how()
            say(f"no data on this machine: classes come from the first generator. {how}")
        self._wait(lambda: self.exchange.settled)
        assert self.exchange.roster.reference is not None
        return self.exchange.roster.reference

    @property
    def plan(self) -> Plan:
        assert self.exchange.leases is not None
        return self.exchange.leases.plan

    @property
    def address(self) -> str:
        """The address of this host at which the last samples arrived; ``""``: none have."""
        return self._sockets.arrival

    @property
    def start_at(self) -> Start:
        """Where the stream begins."""
        assert self.exchange.leases is not None
        return self.exchange.leases.start

    @property
    def generators(self) -> int:
        """The number of generators that work for the run now."""
        return self.exchange.generators

    def deliveries(self) -> Iterator[Delivery]:
        """Every lease of the run, in order. Raises the error that ended the stream early."""
        assert self.exchange.leases is not None
        left = self.exchange.leases.visits
        while left:
            for delivery in self._next():
                left -= delivery.lease.count
                yield delivery

    def _next(self) -> list[Delivery]:
        if not self.exchange.ready:
            self.exchange.wanted(True)
            self._wait(lambda: bool(self.exchange.ready))
            self.exchange.wanted(False)
        return self.exchange.ready.popleft()

    def _wait(self, over: Callable[[], bool]) -> None:
        """Take turns until `over` is true. A long wait is explained in the log."""
        patience = PATIENCE_SECONDS
        started = time.monotonic()
        while not over():
            self._raise_failure()
            self._pump()
            if over():
                break
            waited = time.monotonic() - started
            if waited > self._timeout:
                raise StreamTimeout(
                    f"nothing came for {waited:.0f} s, and the timeout of this stream is "
                    f"{self._timeout:g} s: {self.exchange.explain()}"
                )
            if waited > patience:
                log.warning("waiting for %.0f s: %s", waited, self.exchange.explain())
                patience += REMIND_SECONDS

    def _raise_failure(self) -> None:
        if self._closing:
            raise StreamClosed("the stream was closed")
        if self.failure is not None:
            raise self.failure

    def handed(self, lease: Lease) -> None:
        """Note that every sample of `lease` is in a batch. Any thread may call this."""
        self.exchange.handed.append(lease)
        if self.exchange.starved:
            self.exchange.starved = False
            self._sockets.wake()

    def abort(self, error: PushFitError) -> None:
        """End the stream: the consumer's wait raises `error`. Any thread may call this."""
        self.failure = error

    def close(self, *, done: bool, reason: str) -> None:
        """Tell the fleet that the run has ended, and stop. A second call does nothing.

        done: the run is over; False: it was interrupted, and may be resumed.
        reason: a sentence for the generators' logs.
        """
        if self._closing:
            return
        self._closing = True
        self._sockets.wake()
        if self._thread.is_alive():
            self._thread.join()
        with self._baton:
            self._safely(partial(self.watch, time.monotonic()))  # it may have news of the last step
            fin = wire.Fin(run=self.exchange.job.run, done=done, reason=reason)
            deaf = self._farewell(wire.encode(fin), FAREWELL_SECONDS if done else HASTY_SECONDS)
            self._sockets.close()
        if done and deaf:
            peers = self.exchange.roster.peers
            log.warning(
                "these generators did not confirm that the run is over, and wait for the next one "
                "if they still work: %s",
                ", ".join(sorted(peers[name].label for name in deaf)),
            )

    def _farewell(self, fin: bytes, seconds: float) -> set[str]:
        """Send FIN to all generators, and wait until each has said BYE. Returns those that did not.

        A generator that was reset, or lost its connection, a moment ago will say hello again. If
        the trainer were closed by then, it would wait for the next run.

        A generator's DEALER (with IMMEDIATE) drops the messages that it has not read when its peer
        closes. So without the wait, a generator that draws a sample at that moment would lose FIN.
        """
        fleet, now = self.exchange.connected(), time.monotonic()
        waiting = {name for name in fleet if self._sockets.send_control(name, fin)}
        until, coming = now + seconds, self.exchange.roster.coming_back(now)
        while (waiting or coming) and time.monotonic() < until:
            if time.monotonic() - now > BACK_SECONDS:
                coming = set()
            self._sockets.poll(TICK_SECONDS)
            while self._sockets.receive_data() is not None:
                pass  # the lease is not needed, but its sender would wait if the pipe were full
            while (received := self._sockets.receive_control()) is not None:
                name, frame, _ = received
                with suppress(ProtocolError):
                    message = wire.from_generator(frame)
                    if isinstance(message, wire.Hello):  # it comes too late to work
                        self._sockets.send_control(name, fin)
                        coming.discard(name)
                        waiting.add(name)
                    elif isinstance(message, wire.Bye):
                        waiting.discard(name)
        return waiting

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing and self.failure is None:
            if (now := time.monotonic()) - self._looked > LOOK_SECONDS:
                self._looked = now
                with self._baton:
                    self._safely(partial(self.watch, now))
            if self._wanted or time.monotonic() - self._pumped < LEND_SECONDS:
                time.sleep(LEND_SECONDS)
                continue
            with self._baton:
                self._turn()

    def _pump(self) -> None:
        """Take a turn in the consumer's thread."""
        self._wanted = True
        if not self._baton.acquire(blocking=False):
            self._sockets.wake()
            self._baton.acquire()
        try:
            if not self._closing:
                self._turn()
        finally:
            self._pumped = time.monotonic()
            self._wanted = False
            self._baton.release()

    def _turn(self) -> None:
        self._safely(self.exchange.turn)

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except PushFitError as error:
            self.abort(error)
        except Exception as error:  # a defect of PushFit must end the run, and not block it
            log.exception("the exchange failed")
            self.abort(PushFitError(f"internal error in the exchange: {error!r}"))
