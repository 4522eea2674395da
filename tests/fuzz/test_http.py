"""A short run of what is sent to the HTTP server, and that the fuzzer would find an escape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from pushfit.serving import uploads
from pushfit.serving.connections import Connections
from pushfit.serving.protocol import Protocol, Strict
from tests.fuzz.answers import Wrong, check
from tests.fuzz.http import Escape, Fuzzer, Server
from tests.fuzz.requests import PICTURE, Kind, Script, Step

INPUTS = 700


def test_no_request_is_an_error_of_the_server() -> None:
    with Server() as server:
        fuzzer = Fuzzer(server, seed=1)
        for _ in range(INPUTS):
            fuzzer.one()
        assert len(fuzzer.found) > 10 and len(fuzzer.reached.lines) > 500


def test_the_same_seed_gives_the_same_inputs() -> None:
    def some() -> list[Script]:
        with Server() as server:
            fuzzer, scripts = Fuzzer(server, seed=2), []
            for _ in range(50):
                fuzzer.one()
                scripts.append(fuzzer.last)
            return scripts

    assert some() == some()


def _error(*_: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("owner", "name", "broken", "says"),
    [
        (uploads, "picture", _error, "status 500"),
        (Protocol, "connection_lost", _error, "exceptions"),
        (Protocol, "handle_events", _error, "ZeroDivisionError"),
        (Strict, "next_event", h11.Connection.next_event, "two ends"),
        (Connections, "look", lambda *_: None, "connections"),
        (Protocol, "send_400_response", H11Protocol.send_400_response, "."),
    ],
)
def test_an_error_would_be_found(
    owner: Any, name: str, broken: Callable[..., Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with Server() as server, pytest.raises(Escape, match=says):
        fuzzer = Fuzzer(server, seed=3)
        for _ in range(INPUTS):
            fuzzer.one()


def test_a_picture_is_recognized_and_connections_end_by_themselves() -> None:
    head = b"POST /recognize.json HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    whole = head % len(PICTURE) + PICTURE
    stopped = Step(1, Kind.STOP_READING), Step(1, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    with Server() as server:
        assert server.one_input(Script((Step(0, data=whole),), real=True)) == [200]
        assert server.one_input(Script(stopped, real=True)) == []
        cut = Step(0, data=whole[:-9]), Step(0, Kind.WAIT, seconds=6), Step(0, data=whole[-9:])
        assert server.one_input(Script(cut, delay=60, real=True)) == [408]


GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"
REFUSED = b'{"error": "not so", "status": 400}'
LAST = (
    b"HTTP/1.1 400 Bad\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(REFUSED) + REFUSED
)


@pytest.mark.parametrize(
    ("came", "methods", "statuses"),
    [
        (GOOD * 2, ["GET", "GET"], [200, 200]),
        (GOOD[:-1] + GOOD, ["HEAD", "GET"], [200, 200]),
        (GOOD + LAST, ["GET"], [200, 400]),
        (b"HTTP/1.1 100 \r\n\r\n" + GOOD, ["POST"], [200]),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            ["GET"],
            [200],
        ),
        (GOOD * 2, ["GET"], None),
        (GOOD + b"x", ["GET"], None),
        (GOOD, ["HEAD"], None),
        (LAST + GOOD, ["GET", "GET"], None),
        (LAST, [], [400]),
        (LAST.replace(b"not so", b"notso1"), [], None),
        (GOOD.replace(b"200", b"500"), ["GET"], None),
        (GOOD.replace(b" OK", b" OK\r\na\nb: c"), ["GET"], None),
    ],
)
def test_answers_that_no_client_could_read_are_found(
    came: bytes, methods: list[str], statuses: list[int] | None
) -> None:
    if statuses is None:
        with pytest.raises(Wrong):
            check(came, methods, cut=False, sentences=True)
    else:
        assert check(came, methods, cut=False, sentences=True) == statuses
