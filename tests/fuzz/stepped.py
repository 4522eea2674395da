"""An event loop whose time passes when it is told to, and connections in it without sockets.

Nothing waits and no thread runs, so that an input takes as long as its computing, and a thousand
seconds of silence as well; and what happens is the same each time.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")
TURNS = 200_000  # callbacks without a pause: more is a loop without end
READ = 256 * 1024  # bytes that asyncio reads at once
HIGH = 64 * 1024  # bytes of its buffer for writing beyond which it says so
READING = 0.001  # seconds that a part of a file takes, at most


class Endless(AssertionError):
    """Callbacks call for callbacks, for ever."""


class Loop(asyncio.AbstractEventLoop):
    """now: its time in seconds. broken: what would have gone to its exception handler.

    delay: how long what is given to a thread takes, in seconds.
    """

    def __init__(self) -> None:
        self.now, self.delay = 1000.0, 0.0
        self.broken: list[dict[str, Any]] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()

    def settle(self) -> None:
        """Run until there is nothing to do at this time."""
        turns = 0
        while self._ready:
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()
            turns += 1
            if turns > TURNS:
                raise Endless(f"{turns} callbacks, of which the last is {handle!r}")

    def advance(self, seconds: float) -> None:
        """Let time pass, and run what is due."""
        self.settle()
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, handle = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not handle.cancelled():
                handle._run()
                self.settle()
        self.now = until

    def timers(self) -> list[asyncio.TimerHandle]:
        """Those that are still to come."""
        return [handle for _, _, handle in self._timers if not handle.cancelled()]

    def time(self) -> float:
        return self.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._number), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        return self._thread(self.delay, func, *args)

    async def in_thread(self, func: Callable[..., Result], *args: Any, **_: Any) -> Result:
        """Stands for `anyio.to_thread.run_sync`, by which files are read: they come soon."""
        return await self._thread(min(self.delay, READING), func, *args)

    def _thread(
        self, delay: float, func: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()

        def run() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(delay, run) if delay else self.call_soon(run)
        return future

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What it returns; it must end without time passing."""
        task: asyncio.Task[Result] = self.create_task(coroutine)
        self.settle()
        return task.result()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.broken.append(context)

    def get_task_factory(self) -> None:
        return None

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by asyncio."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)


class Received(Protocol):
    """The part of `asyncio.Protocol` that is called here."""

    def connection_made(self, transport: Any) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Transport(asyncio.Transport):
    """asyncio's over a socket, with a peer that sends, reads or does not, ends and breaks off.

    came: what the peer has read. unread: what the server has written beyond that.
    lost: the connection is over. end_of_answers: the peer was told that nothing follows.
    """

    def __init__(self, loop: Loop, protocol: Received, address: tuple[str, int]) -> None:
        super().__init__({"peername": address, "sockname": ("10.0.0.9", 8000)})
        self._loop, self._protocol = loop, protocol
        self.came, self.unread = bytearray(), bytearray()
        self.reads, self.lost, self.end_of_answers = True, False, False
        self._inbox, self._ended = bytearray(), False
        self._paused = self._closing = self._eof = self._full = False

    # The peer.

    def send(self, data: bytes) -> None:
        """The peer sends; it arrives when the server reads."""
        self._inbox += data
        self._loop.call_soon(self._arrive)

    def end(self) -> None:
        """The peer will send no more."""
        self._ended = True
        self._loop.call_soon(self._arrive)

    def reset(self) -> None:
        """The peer breaks off."""
        self._lose(ConnectionResetError("reset by the peer"))

    def read(self, goes_on: bool = True) -> None:
        """The peer reads what there is, and what comes if it `goes_on`."""
        self.reads = goes_on
        self.came += self.unread
        self.unread.clear()
        if self._full:
            self._full = False
            self._protocol.resume_writing()
        self._flushed()

    def _arrive(self) -> None:
        if self._paused or self._closing or self.lost:
            return
        if self._inbox:
            data = bytes(self._inbox[:READ])
            del self._inbox[:READ]
            self._loop.call_soon(self._arrive)
            self._protocol.data_received(data)
        elif self._ended:
            self._ended = False
            if not self._protocol.eof_received():
                self.close()

    # The server.

    def write(self, data: Any) -> None:
        if self._eof:
            raise RuntimeError("write after write_eof")
        if self.lost:
            return
        self.unread += data
        if self.reads:
            self.came += self.unread
            self.unread.clear()
        elif len(self.unread) > HIGH and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        if not self._closing:
            self._eof = True
            self._flushed()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self._closing = True
        self._flushed()

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            self._loop.call_soon(self._arrive)

    def _flushed(self) -> None:
        if not self.unread:
            self.end_of_answers |= self._eof
            if self._closing:
                self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = self._closing = True
            self.unread.clear()
            self._loop.call_soon(self._protocol.connection_lost, error)
