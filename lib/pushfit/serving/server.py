"""The process that serves: its socket, its limits and its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from pushfit.errors import ConfigError
from pushfit.interrupts import INTERRUPTED, end_now, to_obey
from pushfit.serving.connections import Connections
from pushfit.serving.logs import log
from pushfit.serving.metrics import Metrics
from pushfit.serving.protocol import IDLE_SECONDS, Protocol

DRAIN_SECONDS = 2  # for the requests under way when the server is told to end
PATIENCE_SECONDS = 2.8  # after which the process ends, whatever it is doing


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(1024)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host} port {port} ({error.strerror}): choose others with --host "
            "and --port; --port 0 chooses any free port"
        ) from error
    return opened


def address(opened: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = opened.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Server(uvicorn.Server):
    """Ends within PATIENCE_SECONDS of SIGTERM or Ctrl-C, after the requests under way."""

    def __init__(self, app: FastAPI, connections: Connections, metrics: Metrics) -> None:
        protocol = partial(Protocol, connections=connections, metrics=metrics)
        config = uvicorn.Config(
            app,
            http=cast(type[asyncio.Protocol], protocol),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        super().__init__(config)
        self._connections = connections
        self._last: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(_failed)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            self._connections.look(time.monotonic())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._last is None:
            timer = threading.Timer(PATIENCE_SECONDS, end_now, (self._code(sig),))
            timer.daemon = True
            timer.start()
        self._last = sig
        super().handle_exit(sig, frame)

    def serve_at(self, opened: socket.socket) -> int:
        """Serve until told to end; returns the exit code. Main thread only."""
        # When it is done, uvicorn raises the signal again for the handler that was there before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if signal.SIGHUP in to_obey():
            signal.signal(signal.SIGHUP, lambda _, frame: self.handle_exit(signal.SIGTERM, frame))
        self.run([opened])
        return self._code(self._last) if self._last is not None else 0

    @staticmethod
    def _code(number: int) -> int:
        return INTERRUPTED if number == signal.SIGINT else 0


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error that the event loop reports. A broken connection is not our error."""
    if isinstance(context.get("exception"), OSError):
        log.info("a connection failed: %s", context["exception"])
    else:
        loop.default_exception_handler(context)


class _ByVisitors(logging.Filter):
    """Hides uvicorn's log line about requests under way at its end, which is not an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.module != "server"


logging.getLogger("uvicorn.error").addFilter(_ByVisitors())
