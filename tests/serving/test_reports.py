"""Errors to Sentry: a listener of ours takes them, and what they hold is looked at."""

from __future__ import annotations

import gzip
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest

from bench.lab.processes import Starter, free_port
from pushfit.errors import ConfigError, OutputError
from pushfit.serving import reports
from tests.support.clients import ask, client

sentry_sdk = pytest.importorskip("sentry_sdk")


class Sentry:
    """What came to it, as events; `dsn` leads to it. It answers with `status`."""

    def __init__(self, status: int) -> None:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                bodies.append(gzip.decompress(body) if packed else body)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._bodies = bodies
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://key@127.0.0.1:{self.server.server_port}/1"

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body.splitlines()[2]) for body in self._bodies if b"exception" in body]


@contextmanager
def sentry(status: int = 200) -> Iterator[Sentry]:
    listener = Sentry(status)
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        thread.join()
        listener.server.server_close()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_errors_are_answered_as_json_and_reported() -> None:
    def broken(samples: list[Any]) -> np.ndarray:
        raise ZeroDivisionError("a secret place")

    other = uuid.uuid4().hex  # of another visitor; an event has lines of this file, so not a word
    with sentry() as listener:
        reports.report_errors(listener.dsn, "d1")
        with client(broken) as opened:
            opened.get(f"/{other}", headers={"X-Request-ID": other})
            opened.post("/recognize.json", files={"image": (other, b"x")})
            response = ask(opened, headers={"X-Request-ID": "one"})
            assert response.status_code == response.json()["status"] == 500
            assert "secret" not in response.text
        sentry_sdk.flush(10)
    (event,) = listener.events()
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert event["tags"] == {"request_id": "one", "run": "d1"}
    assert "request" not in event and other not in json.dumps(event)


def test_a_trial_error_arrives_and_is_told_by_its_event() -> None:
    with sentry() as listener:
        told = reports.trial(listener.dsn, "d1")
    (event,) = listener.events()
    assert event["exception"]["values"][-1]["type"] == "TrialError" and event["tags"]["run"] == "d1"
    assert event["event_id"] in told and "127.0.0.1" in told


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_a_trial_error_that_is_refused(status: int) -> None:
    with sentry(status) as listener, pytest.raises(OutputError, match=f"not arrive.*{status}"):
        reports.trial(listener.dsn, "d1")


def test_a_trial_error_that_cannot_arrive() -> None:
    with pytest.raises(ConfigError, match=r"--sentry-test .* give --sentry-dsn"):
        reports.trial("", "d1")
    with pytest.raises(ConfigError, match="is not a DSN of Sentry"):
        reports.trial("http://nowhere", "d1")
    with pytest.raises(OutputError, match=r"did not arrive at 127.0.0.1:.*refused"):
        reports.trial(f"http://key@127.0.0.1:{free_port()}/1", "d1")


@pytest.mark.slow
def test_the_program_sends_a_trial_error_without_a_run(start: Starter) -> None:
    with sentry() as listener:
        words = ("serve.py", "--sentry-test", "--sentry-dsn", listener.dsn)
        script = start(*words)
        script.done(0)
    (event,) = listener.events()
    assert script.wait_for(f"a trial error was sent .* event {event['event_id']}")
    start("serve.py", "--sentry-test").done(2)
    assert start.scripts[-1].wait_for("^error: --sentry-test needs")
