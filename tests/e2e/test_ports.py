"""One of a trainer's two ports is published, the other is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.processes import Starter, free_port
from tests.support.relay import Relay


@pytest.mark.slow
def test_a_generator_whose_samples_cannot_leave_gets_no_work_until_they_can(
    start: Starter, photos: Path
) -> None:
    port = free_port()
    flags = ("--patch", 32, "--epochs", 1, "--bind", f"tcp://127.0.0.1:{port}", "--expiry", 3)
    sink = start.sink(photos, *flags)
    sink.wait_for("listening")
    with Relay(port):
        words = ("--connect", f"tcp://127.0.0.2:{port}", "--links", photos)
        generator = start("generator_zmq.py", *words)
        advice = rf"its port {port + 1}: .*-p {port}:{port} -p {port + 1}:{port + 1}"
        generator.wait_for(f"samples cannot go to {advice}")
        sink.wait_for(rf"cannot take part: .*{advice}")
        assert "joined" not in sink.output and "made no progress" not in sink.output
        with Relay(port + 1):
            assert "exactly once" in sink.done()
            generator.done()
