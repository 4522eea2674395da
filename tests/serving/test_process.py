"""serve.py as a user runs it: it says 503 at once, then answers, and ends within three seconds."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest

from bench.lab.processes import Starter, until
from tests.support.asking import DRAWN, SOON, address, break_model, status, upload

pytestmark = pytest.mark.slow


def test_from_the_start_to_the_end(start: Starter, untrained: Path) -> None:
    server = start("serve.py", "--run", untrained, "--port", 0)
    url = address(server)
    assert status(url + "healthz") == 503  # Keras takes seconds; the port is there at once
    assert until(lambda: status(url + "healthz") == 200)
    answer = upload(url, DRAWN.read_bytes())
    assert answer["class"] in set("0123456789") and answer["model"] == "digits1"
    assert abs(sum(answer["probabilities"].values()) - 1) < 1e-4  # type: ignore[attr-defined]
    with socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))) as slow:
        slow.sendall(b"POST /recognize.json HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n")
        slow.sendall(b"Content-Length: 99\r\n\r\n")
        time.sleep(0.2)
        server.send(signal.SIGTERM)
        began = time.monotonic()
        server.done(0)
        assert time.monotonic() - began < SOON
        assert slow.recv(99).startswith(b"HTTP/1.1 503")
    lines = [json.loads(line) for line in server.output.splitlines()]
    messages = [line["message"] for line in lines]
    assert messages[0].startswith("listening at") and messages[-1] == "ended"
    assert [line["class"] for line in lines if "class" in line] == [answer["class"]]


def test_it_ends_while_it_loads(start: Starter, untrained: Path) -> None:
    server = start("serve.py", "--run", untrained, "--port", 0)
    address(server)
    time.sleep(0.5)
    server.send(signal.SIGTERM)
    began = time.monotonic()
    server.done(0)
    assert time.monotonic() - began < SOON


def test_what_cannot_be_served_is_said(start: Starter, untrained: Path, tmp_path: Path) -> None:
    start("serve.py").done(2)
    assert start.scripts[-1].wait_for("^error: say what to serve: --run DIR")
    start("serve.py", "--run", tmp_path).done(2)
    assert start.scripts[-1].wait_for(r"^error: .* holds no model, neither best\.keras nor")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        start("serve.py", "--run", untrained, "--port", port).done(2)
    assert start.scripts[-1].wait_for(f"^error: cannot listen at 127.0.0.1 port {port}")


def test_a_model_that_does_not_load_ends_the_server(
    start: Starter, untrained: Path, tmp_path: Path
) -> None:
    break_model(untrained, tmp_path)
    server = start("serve.py", "--run", tmp_path, "--port", 0)
    server.done(2)
    assert "error: cannot load a model from" in server.output
