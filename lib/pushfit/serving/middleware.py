"""What every request gets: an id, one log line, metrics, and an answer even after an error."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushfit.serving import headers, refusals
from pushfit.serving.logs import id_for, log, request_id
from pushfit.serving.metrics import Metrics
from pushfit.serving.refusals import Refusal

PATH_SHOWN = 200  # most characters of the path in a log line
GONE = 499  # the client did not wait for the answer (nginx uses this number)
QUIET = ("/healthz", "/metrics")  # these are asked every few seconds, so they are not logged


class Guard:
    """ASGI middleware. A route may put fields for the log line into `scope["fields"]`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        own = id_for(Headers(scope=scope).get(headers.REQUEST_ID, ""))
        token = request_id.set(own)
        scope["fields"] = {}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.add(MutableHeaders(scope=message))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            status = GONE
        except asyncio.CancelledError:  # uvicorn is ending and does not wait any longer
            if not status:
                refusal = Refusal(503, "the server is shutting down: try again later", again=5)
                await refusals.response(refusal)(scope, receive, sending)
        except Refusal as refused:
            scope["fields"]["error"] = refused.message
            await refusals.response(refused)(scope, receive, sending)
        except Exception as error:
            log.error("a request failed: %r", error, exc_info=error)
            if not status:
                refusal = Refusal(500, "an error of the server; see its log for this request_id")
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
            "path": scope["path"][:PATH_SHOWN],
            "status": status,
            "ms": round(seconds * 1e3, 1),
        }
        level = logging.DEBUG if route in QUIET else logging.INFO
        log.log(level, "request", extra={"fields": {**fields, **scope["fields"]}})
