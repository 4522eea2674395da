"""Around every request: its id, one log line, its metrics; and an answer when all else failed."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.serving import refusals
from lib.serving.logs import id_for, log, request_id
from lib.serving.metrics import Metrics
from lib.serving.refusals import Refusal

HEADER = "X-Request-ID"
GONE = 499  # as nginx logs it: the client did not wait for the answer
QUIET = ("/healthz", "/metrics")  # asked every few seconds, for ever


class Guard:
    """ASGI middleware. A route may put fields for the log line into `scope["fields"]`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        own = id_for(Headers(scope=scope).get(HEADER, ""))
        token = request_id.set(own)
        scope["fields"] = {}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = own
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            status = GONE
        except Exception as error:
            log.error("a request failed: %r", error, exc_info=error)
            if not status:
                refusal = Refusal(500, "an error of the server; its log has it, by this request_id")
                await refusals.response(refusal)(scope, receive, sending)
        finally:
            self._tell(scope, status or GONE, time.perf_counter() - started)
            request_id.reset(token)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(seconds * 1e3, 1),
        }
        level = logging.DEBUG if scope["path"] in QUIET else logging.INFO
        log.log(level, "request", extra={"fields": {**fields, **scope["fields"]}})
