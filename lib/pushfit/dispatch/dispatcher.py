"""A stream of deliveries, for one consumer: who runs the exchange with the fleet, and when.

**Who waits, works**: while the consumer waits for a delivery, it takes the turns of the `Exchange`
itself; a thread of our own takes them while the consumer is busy. Whoever holds the baton may use
the sockets. At full load no thread wakes another, which a lease of 0.8 MB would feel.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from pushfit.dispatch.exchange import TICK_SECONDS, Exchange
from pushfit.errors import ProtocolError, PushFitError, StreamClosed, StreamTimeout
from pushfit.feed.source import Delivery, Reference
from pushfit.plan.batches import Start
from pushfit.plan.leases import Lease
from pushfit.plan.order import Plan
from pushfit.wire import protocol as wire
from pushfit.wire.transports import TrainerTransport

LEND_SECONDS = 0.005  # how long our thread leaves the sockets to the consumer
FAREWELL_SECONDS = 5.0  # for the fleet's answers to FIN, …
BACK_SECONDS = 1.5  # for the hello of one that has just been lost, …
HASTY_SECONDS = 0.5  # … when a person waits for the end of an interrupted run
PATIENCE_SECONDS = 10.0  # a wait is explained after this long, …
REMIND_SECONDS = 30.0  # … and again so often

log = logging.getLogger("pushfit.trainer")


class Dispatcher:
    """Start it, iterate over `deliveries()`, give every lease back with `handed`, close it.

    timeout: seconds without a delivery after which a wait for one raises StreamTimeout.
    """

    def __init__(
        self, sockets: TrainerTransport, exchange: Exchange, *, timeout: float = math.inf
    ) -> None:
        self.exchange = exchange
        self._timeout = timeout
        self.failure: PushFitError | None = None  # what ended the stream before its time
        self._sockets = sockets
        self._baton = threading.Lock()
        self._wanted = False  # the consumer waits for the baton, or has it
        self._pumped = 0.0  # when the consumer last gave it back
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    # -- the consumer's side --------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def reference(self, say: Callable[[str], None]) -> Reference:
        """The run's data set. Where the trainer has none, it waits for a generator's.

        And for a lease of it: nothing is built on a data set that may not last.
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
        """The address of this host that samples came in by last, or ``""``."""
        return self._sockets.arrival

    @property
    def start_at(self) -> Start:
        """Where the stream begins."""
        assert self.exchange.leases is not None
        return self.exchange.leases.start

    @property
    def generators(self) -> int:
        """Generators at work now."""
        return self.exchange.generators

    def deliveries(self) -> Iterator[Delivery]:
        """Every lease of the run, in order. Ends with the run; raises what ended it early."""
        assert self.exchange.leases is not None
        left = self.exchange.leases.visits
        while left:
            for delivery in self._next():
                left -= delivery.lease.count
                yield delivery

    def _next(self) -> list[Delivery]:
        self._wait(lambda: bool(self.exchange.ready))
        return self.exchange.ready.popleft()

    def _wait(self, over: Callable[[], bool]) -> None:
        """Take turns until it is `over`, and say what for."""
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
        """Every sample of `lease` has gone into a batch. Any thread may call this."""
        self.exchange.handed.append(lease)
        if self.exchange.starved:
            self.exchange.starved = False
            self._sockets.wake()

    def abort(self, error: PushFitError) -> None:
        """End the stream: whoever waits for a delivery gets `error`. Any thread may call this."""
        self.failure = error

    def close(self, *, done: bool, reason: str) -> None:
        """Tell the fleet that the run is over (or interrupted), and stop. Safe to call twice."""
        if self._closing:
            return
        self._closing = True
        self._sockets.wake()
        if self._thread.is_alive():
            self._thread.join()
        with self._baton:
            fin = wire.Fin(run=self.exchange.job.run, done=done, reason=reason)
            deaf = self._farewell(wire.encode(fin), FAREWELL_SECONDS if done else HASTY_SECONDS)
            self._sockets.close()
        if done and deaf:
            peers = self.exchange.roster.peers
            log.warning(
                "did not answer that the run is over, and wait for the next if still there: %s",
                ", ".join(sorted(peers[name].label for name in deaf)),
            )

    def _farewell(self, fin: bytes, seconds: float) -> set[str]:
        """Say FIN to all, and stay until each has said BYE. Returns who did not.

        One that was sent back to hello, or lost its connection, a moment ago is on its way here: it
        would find nobody, and wait for the next run.

        A generator's DEALER (with IMMEDIATE) drops what it has not read when its peer closes: FIN
        would be lost to whoever is drawing a patch at that moment.
        """
        fleet, now = self.exchange.connected(), time.monotonic()
        waiting = {name for name in fleet if self._sockets.send_control(name, fin)}
        until, coming = now + seconds, self.exchange.roster.coming_back(now)
        while (waiting or coming) and time.monotonic() < until:
            if time.monotonic() - now > BACK_SECONDS:
                coming = set()
            self._sockets.poll(TICK_SECONDS)
            while self._sockets.receive_data() is not None:
                pass  # nobody wants it any more, but a full pipe would keep its sender waiting
            while (received := self._sockets.receive_control()) is not None:
                name, frame, _ = received
                with suppress(ProtocolError):
                    message = wire.from_generator(frame)
                    if isinstance(message, wire.Hello):  # came too late: no need to wait for more
                        self._sockets.send_control(name, fin)
                        coming.discard(name)
                        waiting.add(name)
                    elif isinstance(message, wire.Bye):
                        waiting.discard(name)
        return waiting

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing and self.failure is None:
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
        try:
            self.exchange.turn()
        except PushFitError as error:
            self.abort(error)
        except Exception as error:  # a defect of ours must end the run, not hang it
            log.exception("the exchange failed")
            self.abort(PushFitError(f"internal error in the exchange: {error!r}"))
