"""serve.py --workers: one port, several processes, one sum of figures, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from bench.lab.processes import Script, Starter, until
from pushfit.serving import workers
from tests.support.asking import DRAWN, SOON, address, break_model, status, upload

pytestmark = pytest.mark.slow


def figures(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url + "metrics", timeout=30) as response:
        text: str = response.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.M)}


def answers(url: str) -> float:
    return sum(n for name, n in figures(url).items() if name.startswith("pushfit_answers_total"))


def ready(url: str, count: int) -> bool:
    return until(lambda: figures(url)["pushfit_ready"] == count)


def children(server: Script) -> list[int]:
    return sorted(child.pid for child in psutil.Process(server.pid).children())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_from_the_start_to_the_end(
    start: Starter,
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: signal.Signals,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = start("serve.py", "--run", untrained, "--port", 0, "--workers", 2)
    url = address(server)
    assert until(lambda: status(url + "healthz") == 200)
    statuses = [status(url + "healthz") for _ in range(20)]  # one that is loading answers nobody
    assert statuses == [200] * 20
    assert ready(url, 2) and len(children(server)) == 2
    for _ in range(10):
        upload(url, DRAWN.read_bytes())
    assert answers(url) == 10.0
    if end == signal.SIGTERM:  # once is enough: one that dies is replaced, and the figures stay
        before = children(server)
        os.kill(before[0], signal.SIGKILL)
        server.wait_for("worker [12] was killed .SIGKILL.*another starts")
        assert figures(url)["pushfit_ready"] == 1.0
        assert upload(url, DRAWN.read_bytes())["model"] == "digits1"
        assert ready(url, 2) and answers(url) == 11.0
        assert before[1] in children(server) and before[0] not in children(server)
    began = time.monotonic()
    server.send(end)
    server.process.wait(SOON)
    assert time.monotonic() - began < SOON
    assert server.process.returncode == {signal.SIGTERM: 0, signal.SIGINT: 130}.get(end, -end)
    assert until(lambda: not start.running(), SOON), start.running()
    if end != signal.SIGKILL:
        assert not any(each.name.startswith("pushfit-") for each in tmp_path.iterdir())
        lines = [json.loads(line) for line in server.output.splitlines()]
        assert {line["worker"] for line in lines if line["message"] == "ready"} == {1, 2}
        assert lines[-1]["message"] == "ended" and "worker" not in lines[-1]


def test_a_model_that_does_not_load_ends_all(
    start: Starter, untrained: Path, tmp_path: Path
) -> None:
    break_model(untrained, tmp_path)
    server = start("serve.py", "--run", tmp_path, "--port", 0, "--workers", 3)
    server.done(2)
    assert server.output.count("error: cannot load a model from") == 1
    assert not start.running()


def test_a_worker_that_dies_before_any_is_ready_ends_the_server(
    start: Starter, untrained: Path
) -> None:
    server = start("serve.py", "--run", untrained, "--port", 0, "--workers", 2)
    address(server)
    assert until(lambda: len(children(server)) == 1)
    os.kill(children(server)[0], signal.SIGKILL)
    assert server.process.wait(SOON) == 1
    assert server.wait_for("worker 1 was killed .SIGKILL; if memory is.*before it was ready")


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, lambda *_: None); print(); "
    command = [sys.executable, "-c", deaf + "[signal.pause() for _ in iter(int, 1)]"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    monkeypatch.setattr(workers, "GRACE", 0.2)
    workers._end([process], [])
    assert process.returncode == -signal.SIGKILL
    process.stdout.close()
