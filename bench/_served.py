"""serve.py as a user starts it, or with another protocol of HTTP."""

from __future__ import annotations

import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench._apart import beside
from pushfit.errors import PushFitError

PATIENCE = 120.0  # seconds until it is ready
AS_IT_IS = ("serve.py",)


@contextmanager
def server(
    served: Path, *flags: str, program: Sequence[str] = AS_IT_IS
) -> Iterator[tuple[psutil.Process, int, float]]:
    """The process, its port, and the seconds until it was ready. Raises PushFitError.

    program: what Python runs, with the flags of serve.py.
    """
    started = time.monotonic()
    words = (*program, "--run", served, "--port", 0, *flags)
    with tempfile.TemporaryFile("w+") as log, beside(*words, stderr=log) as process:
        port = 0
        while not port or not _ready(port):
            if process.poll() is not None or time.monotonic() - started > PATIENCE:
                log.seek(0)
                raise PushFitError("serve.py: " + (log.read().strip().splitlines() or ["?"])[-1])
            time.sleep(0.05)
            log.seek(0)
            port = port or _port(log.readline())
        yield psutil.Process(process.pid), port, time.monotonic() - started


def _port(line: str) -> int:
    return int(line.partition("127.0.0.1:")[2].partition("/")[0] or 0)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except OSError:  # 503 among them
        return False
