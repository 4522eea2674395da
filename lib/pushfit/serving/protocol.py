"""uvicorn's protocol of HTTP/1.1, with limits that hold before a request is complete.

    connect ─▶ head (HEAD_SECONDS, HEAD_BYTES) ─▶ request ─▶ answer (ANSWER_SECONDS a standstill)
                 ▲                                               │
                 └────────── idle (IDLE_SECONDS) ◀───────────────┘  at most REQUESTS times

It is based on h11, which stops parsing until a request is answered, so that pipelined requests cost
no more than the bytes that have arrived, and which bounds an incomplete head. A request that h11
refuses is answered like any other refusal, and does not count as an error of this server.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from pushfit.serving import headers, refusals
from pushfit.serving.connections import Connections, Peer
from pushfit.serving.logs import log, request_id
from pushfit.serving.metrics import Metrics
from pushfit.serving.refusals import Refusal

HEAD_BYTES = 32 * 1024  # most bytes of a request line with headers, or after a chunked body
HEAD_SECONDS = 10.0  # from the connection, or the first byte of a request, to the end of its head
ANSWER_SECONDS = 30.0  # longest time in which the client reads nothing of the answer
IDLE_SECONDS = 30  # longest time between two requests
LINGER_SECONDS = 2.0  # for reading and dropping the rest of a request, or the answer may be lost
REQUESTS = 1000  # most requests of one connection
SLICE = 16 * 1024  # bytes that are parsed at once; a read may bring 256 KiB

TOO_LONG = {
    414: f"the address is longer than the limit of {HEAD_BYTES // 1024} KiB",
    431: f"the headers are longer than the limit of {HEAD_BYTES // 1024} KiB",
}
INVALID = "this is not a valid HTTP/1.1 request"


class Strict(h11.Connection):
    """Refuses a request whose body has two ends, by its length and by its chunks.

    A proxy might use the other end, and what it takes for a body would be a request to us.
    """

    def next_event(self) -> Any:
        event = super().next_event()
        if type(event) is h11.Request:
            names = {name for name, _ in event.headers}
            if b"content-length" in names and b"transfer-encoding" in names:
                raise h11.RemoteProtocolError("Content-Length beside Transfer-Encoding")
        return event


class Protocol(H11Protocol):
    """One connection. connections: all connections of the process."""

    def __init__(self, *, connections: Connections, metrics: Metrics, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.conn = Strict(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._connections, self._metrics = connections, metrics
        self._requests = 0
        self._in_head = self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = Peer(self.client[0] if self.client else "", transport.abort)
        self._peer.wait(HEAD_SECONDS)
        if not self._connections.admit(self._peer):
            refusal = Refusal(503, "too many connections: try again later", again=5)
            self._answer(refusal, logging.DEBUG)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waits() and not self._in_head:
            self._in_head = True
            self._wait(HEAD_SECONDS)
        for at in range(0, len(data), SLICE):
            if self._refused:
                return
            super().data_received(data[at : at + SLICE])

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._waits() is False:
            self._in_head = False
            self._at_work()
            self._requests += 1
            if self._requests >= REQUESTS:  # answered as if the client wanted to close it
                self.headers.append(CLOSE_HEADER)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which may begin the next request
        if self._waits():
            self._at_work()  # until now it was not waiting
            unread = self.conn.their_state is h11.SEND_BODY  # nobody reads the rest of the body
            self._wait(HEAD_SECONDS if unread else IDLE_SECONDS + LINGER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait(ANSWER_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._waits():
            self._wait(IDLE_SECONDS + LINGER_SECONDS)
        else:
            self._at_work()

    def shutdown(self) -> None:
        """Called when uvicorn ends: answer what is under way, and close."""
        if self._refused or self.transport.is_closing():
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn if h11 refuses the request; `msg` is always the same."""
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        if status == 431 and b"\n" not in self.conn.trailing_data[0]:
            status = 414
        if status not in TOO_LONG:  # such as 501, for an unknown Transfer-Encoding
            status = 400
        self._refuse(Refusal(status, TOO_LONG.get(status, INVALID)))

    def _unsupported_upgrade_warning(self) -> None:
        """Do nothing: a request for another protocol is answered in this one, as HTTP allows."""

    def _waits(self) -> bool:
        """Return whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        """Begin to wait for the peer. A peer that was refused keeps the deadline that it has."""
        if not self._refused:
            self._peer.wait(seconds)

    def _at_work(self) -> None:
        """Note that a request is under way, unless the peer has yet to read an earlier answer."""
        if not self.flow.write_paused and not self._refused:
            self._peer.work()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer an invalid request, read a little more, and close. It has an effect only once."""
        self._unset_keepalive_if_required()
        self._wait(LINGER_SECONDS)
        self._refused = True
        bare = False
        if not self._waits():
            bare = self.scope["method"] == "HEAD"
            begun = self.cycle.response_started
            self.cycle.disconnected = True  # otherwise its route would answer, too
            self.cycle.waiting_for_100_continue = False  # otherwise it would ask for the body
            self.cycle.message_event.set()
            if begun:
                self.transport.abort()
                return
        self._answer(refusal, logging.INFO, bare=bare)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _answer(self, refusal: Refusal, level: int, *, bare: bool = False) -> None:
        token = request_id.set(uuid.uuid4().hex)
        try:
            self._metrics.requests.labels("other", str(refusal.status)).inc()
            fields = {"status": refusal.status, "error": refusal.message}
            log.log(level, "request", extra={"fields": fields})
            self.transport.write(_raw(refusal, bare))
        finally:
            request_id.reset(token)


def _raw(refusal: Refusal, bare: bool) -> bytes:
    """The bytes of the answer. bare: without its body, as for HEAD."""
    response = refusals.response(refusal)
    headers.add(response.headers)
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode(),
        *(name + b": " + value for name, value in response.raw_headers),
        b": ".join(CLOSE_HEADER),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if bare else cast(bytes, response.body))
