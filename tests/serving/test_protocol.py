"""What one connection may send, how slowly, and what it is answered when that is too much."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pushfit.serving import protocol as limits
from pushfit.serving.connections import Connections
from tests.support.wired import Transport, connect, settle

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 with the path, before it has read a body; `/late` after it."""
    while scope["path"] == "/late" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def statuses(transport: Transport) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1.1 (\d+) ", transport.written)]


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 10_000, 431, "headers are longer"),
        (b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * 70_000, 431, "headers are longer"),
        (b"GET /" + b"a" * 70_000, 414, "address is longer"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "not a valid HTTP"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "not a valid HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "not a valid HTTP"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, ""),
        (  # a proxy that takes the length would pass the rest on as a body
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
            400,
            "not a valid HTTP",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "not a valid HTTP"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 1000, 10**6])
def test_what_is_no_request_is_answered_as_json_and_told_at_level_info(
    sent: bytes, status: int, says: str, at_once: int, caplog: pytest.LogCaptureFixture
) -> None:
    at_once = max(at_once, len(sent) // 1000)  # a long one a byte at a time would take minutes
    caplog.set_level(logging.INFO)

    async def test() -> None:
        protocol, transport = connect(app)
        for at in range(0, len(sent), at_once):
            protocol.data_received(sent[at : at + at_once])
        protocol.data_received(sent)  # what still comes is dropped
        await settle()
        assert statuses(transport) == [status]
        head, _, body = bytes(transport.written).partition(b"\r\n\r\n")
        told = json.loads(body)
        assert told["status"] == status and says in told["error"]
        assert f"X-Request-ID: {told['request_id']}".lower().encode() in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        assert len(protocol.conn.trailing_data[0]) <= limits.HEAD_BYTES + limits.SLICE
        protocol.shutdown()
        await settle()

    run(test)
    (line,) = [record for record in caplog.records if record.name == "pushfit.serving"]
    assert line.levelname == "INFO" and line.fields["status"] == status  # type: ignore[attr-defined]
    assert max(record.levelno for record in caplog.records) < logging.ERROR


def test_requests_one_behind_the_other_are_answered_in_order_and_not_kept() -> None:
    async def test() -> None:
        protocol, transport = connect(app)
        await settle()
        many = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(300))
        protocol.data_received(many)
        assert not transport.reading and protocol.cycle is not None
        await settle(2000)
        assert statuses(transport) == [200] * 300
        assert transport.written.endswith(b"/299\r\n0\r\n\r\n") and transport.reading

    run(test)


def test_who_reads_no_answer_has_one_request_under_way_and_a_time() -> None:
    async def test() -> None:
        protocol, transport = connect(app)
        protocol.pause_writing()
        protocol.data_received(GET * 500)
        await settle(200)
        assert statuses(transport) == [] and not transport.reading
        assert protocol._peer.until < math.inf
        protocol._peer.wait(-1)
        protocol._connections.look(math.inf)
        await settle(200)
        assert transport.ended and len(protocol._connections) == 0

    run(test)


def test_times_begin_and_end_with_what_a_peer_does() -> None:
    async def test() -> None:
        protocol, _ = connect(app)
        peer = protocol._peer
        first = peer.until
        protocol.data_received(GET[:9])
        dripped = peer.until
        assert first <= dripped < first + 1
        protocol.data_received(GET[9:12])  # a byte now and then gains no time
        assert peer.until == dripped
        protocol.data_received(GET[12:])
        assert peer.until == math.inf
        await settle()
        idle = peer.until - peer.since
        assert idle == pytest.approx(limits.IDLE_SECONDS + limits.LINGER_SECONDS)
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nx")
        await settle()  # answered, and the body still comes
        unread = peer.until
        assert unread - peer.since == pytest.approx(limits.HEAD_SECONDS)
        protocol.data_received(b"y")
        protocol.data_received(b"y")
        assert peer.until < unread + 1

    run(test)


def test_a_connection_ends_after_so_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS", 3)

    async def test() -> None:
        protocol, transport = connect(app)
        for _ in range(3):
            assert b"connection: close" not in transport.written
            protocol.data_received(GET)
            await settle()
        assert statuses(transport) == [200] * 3 and transport.ended
        assert b"connection: close" in transport.written.lower()

    run(test)


def test_a_body_that_is_none_ends_its_request_and_no_other_answer_follows() -> None:
    async def test() -> None:
        protocol, transport = connect(app)
        head = b"POST /late HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        protocol.data_received(head)
        await settle()
        protocol.data_received(b"3\r\nabc\r\nzz\r\n")
        await settle()
        assert statuses(transport) == [400]
        await settle()

    run(test)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("method", [b"POST", b"HEAD"])
def test_a_body_that_is_none_costs_seconds_also_where_it_comes_with_its_head(
    reads: bool, method: bytes
) -> None:
    async def test() -> None:
        protocol, transport = connect(app)
        if not reads:
            protocol.pause_writing()
        head = b" /late HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        head += b"Expect: 100-continue\r\n\r\n"
        protocol.data_received(method + head + b"3\r\nabc\r\nzz\r\n")
        await settle()
        assert statuses(transport) == [400]
        assert transport.written.startswith(b"HTTP/1.1 400 ")  # and nothing asks for a body
        assert transport.written.endswith(b"\r\n\r\n") is (method == b"HEAD")
        protocol.resume_writing()
        protocol.pause_writing()
        protocol.resume_writing()
        left = protocol._peer.until - protocol._peer.since
        assert left == pytest.approx(limits.LINGER_SECONDS, abs=0.5)
        protocol.shutdown()
        await settle()

    run(test)


def test_a_newcomer_is_told_where_all_others_are_at_work() -> None:
    async def test() -> None:
        connections = Connections(1, 1)
        first, _ = connect(app, connections)
        first._peer.work()
        _, transport = connect(app, connections)
        assert statuses(transport) == [503] and transport.ended
        assert b"retry-after: 5" in transport.written.lower()
        await settle()
        first._peer.wait(5)
        _, third = connect(app, connections)
        assert statuses(third) == [] and not third.ended
        await settle()

    run(test)


def test_who_asks_for_another_protocol_is_answered_in_this_one() -> None:
    async def test() -> None:
        protocol, transport = connect(app)
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        protocol.data_received(GET[:-2] + upgrade)
        await settle()
        assert statuses(transport) == [200]

    run(test)
