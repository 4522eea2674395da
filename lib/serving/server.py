"""The process that serves: its socket, its end, and the reports of its errors."""

from __future__ import annotations

import signal
import socket
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lib.errors import ConfigError
from lib.interrupts import INTERRUPTED, end_now
from lib.serving.logs import request_id

DRAIN_SECONDS = 2  # for the requests under way, once the server is told to end
PATIENCE_SECONDS = 2.8  # then the process ends, whatever it is doing


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
            f"cannot listen at {host} port {port} ({error.strerror}): choose another with --host "
            "and --port; --port 0 takes any free one"
        ) from error
    return opened


def report_errors(dsn: str, run: str) -> None:
    """Whatever is logged as an error goes to Sentry, too, without what was sent to us.

    Raises ConfigError.
    """
    try:
        import sentry_sdk
        from sentry_sdk.types import Event, Hint
        from sentry_sdk.utils import BadDsn
    except ImportError as error:
        raise ConfigError("--sentry-dsn needs Sentry's library: pip install sentry-sdk") from error

    def tagged(event: Event, hint: Hint) -> Event:
        event["tags"] = {**event.get("tags", {}), "request_id": request_id.get(), "run": run}
        return event

    try:
        sentry_sdk.init(
            dsn,
            auto_enabling_integrations=False,
            include_local_variables=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            before_send=tagged,
        )
    except BadDsn as error:
        raise ConfigError(f"--sentry-dsn {dsn!r} is no DSN of Sentry: {error}") from None


class Server(uvicorn.Server):
    """Ends by SIGTERM or Ctrl-C within PATIENCE_SECONDS: what is under way is answered first."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        super().__init__(config)
        self._last: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._last is None:
            timer = threading.Timer(PATIENCE_SECONDS, end_now, (self._code(sig),))
            timer.daemon = True
            timer.start()
        self._last = sig
        super().handle_exit(sig, frame)

    def serve_at(self, opened: socket.socket) -> int:
        """Serve until told to end; returns the exit code. Main thread only."""
        # uvicorn raises the signal again when it is done, for whoever handled it before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self.run([opened])
        return self._code(self._last) if self._last is not None else 0

    @staticmethod
    def _code(number: int) -> int:
        return INTERRUPTED if number == signal.SIGINT else 0
