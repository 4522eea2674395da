"""Serving: how long an answer takes at 50 requests/s, how many there can be, and what spoils it.

    python -m bench serve [--run DIR] [--mnist DIR] [--seconds 10] [--rounds 2] [--malformed 10000]

- `serve.py` as a user starts it, `smallcnn` on 28 x 28, on a port of this host; the client
  (`bench/_load.py`) is another process on the same cores, and sends real digits as PNG files.
- `p99_ms_at_50`: from when a request was due to its answer, at 50 requests/s on average.
- `rate_p99_100ms`: the highest rate tried at which p99 stayed under 100 ms and every request was
  answered with 200, at the second try at least: doubled until it is not, then halved between, four
  times.
- `batched_vs_single`: that rate ÷ the rate with --max-batch 1; the sides take turns.
- `start_s`: from the start of the process to 200 at /healthz.
- `--malformed N`: spoilt uploads; any 5xx but 503 fails the bench. `memory_before_mib` is after
  a tenth of as many, when pools and caches are full, `memory_after_mib` after all.
- Without --run it makes a model that knows nothing, which is as quick as one that does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench._apart import ROOT, printed, tie
from lib.errors import PushFitError

MNIST = ROOT.parent / "shared" / "data" / "mnist"
SIDES = {"batched": (), "single": ("--max-batch", "1")}
RATE, LIMIT_MS = 50.0, 100.0
STEPS, TRIES = 4, 2
PATIENCE = 120.0  # seconds for anything beyond its own
ALLOWED = {"200", "400", "413", "415", "422", "503"}


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench serve", description=__doc__)
    parser.add_argument("--run", type=Path, help="the run to serve")
    parser.add_argument("--mnist", type=Path, default=MNIST, help="folder of MNIST's files")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each rate that is tried")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most", type=float, default=1600.0, help="highest rate to try")
    parser.add_argument("--malformed", type=int, default=10_000)
    options = parser.parse_args(args)
    seen: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        served = options.run or _untrained(Path(folder))
        for turn in range(options.rounds):
            for side in [*SIDES] if turn % 2 == 0 else [*SIDES][::-1]:
                for name, value in _side(side, served, options).items():
                    seen.setdefault(name, []).append(value)
        figures = {name: statistics.median(values) for name, values in seen.items()}
        failed: list[str] = []
        if options.malformed:
            figures |= _malformed(served, options.malformed, failed)
    pairs = zip(seen["rate_p99_100ms"], seen["single_rate_p99_100ms"], strict=True)
    both = [ours / one for ours, one in pairs if one]
    if not both:
        failed.append(f"with --max-batch 1 no rate that was tried had p99 under {LIMIT_MS:.0f} ms")
    ratios = {"batched_vs_single": statistics.median(both)} if both else {}
    return {"bench": "serve", "ratios": ratios, "figures": figures, "failed": failed}


def _untrained(folder: Path) -> Path:
    printed("-m", "bench._untrained", str(folder), seconds=PATIENCE)
    return folder


def _side(side: str, served: Path, options: argparse.Namespace) -> dict[str, float]:
    prefix = "" if side == "batched" else f"{side}_"

    def at(rate: float) -> dict[str, Any]:
        words = ("rate", str(port), str(options.mnist), str(rate), str(options.seconds))
        return _load(*words, seconds=options.seconds + PATIENCE)

    def good(rate: float) -> bool:
        return any(_good(at(rate)) for _ in range(TRIES))

    with _server(served, *SIDES[side]) as (_, port, start):
        at(RATE)  # the first requests of a process are slower
        normal = at(RATE)
        best, worst, rate = 0.0, 0.0, RATE
        while not worst and rate <= options.most:
            best, worst = (rate, 0.0) if good(rate) else (best, rate)
            rate *= 2
        for _ in range(STEPS if worst else 0):
            middle = (best + worst) / 2
            best, worst = (middle, worst) if good(middle) else (best, middle)
    found = {"p50_ms_at_50": normal["p50_ms"], "p99_ms_at_50": normal["p99_ms"]}
    found |= {"rate_p99_100ms": best, "start_s": start}
    return {prefix + name: value for name, value in found.items()}


def _good(said: dict[str, Any]) -> bool:
    return not said["failed"] and said["p99_ms"] < LIMIT_MS


def _malformed(served: Path, count: int, failed: list[str]) -> dict[str, float]:
    with _server(served) as (process, port, _):
        _load("malformed", str(port), str(max(1, count // 10)), seconds=10 * PATIENCE)
        before = process.memory_info().rss / 2**20
        said = _load("malformed", str(port), str(count), seconds=10 * PATIENCE)
        after = process.memory_info().rss / 2**20
    for status, number in said["statuses"].items():
        if status not in ALLOWED:
            failed.append(f"{number} malformed uploads were answered with {status}")
    figures = {f"malformed_{status}": float(n) for status, n in said["statuses"].items()}
    return {**figures, "memory_before_mib": before, "memory_after_mib": after}


def _load(*words: str, seconds: float) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(printed("-m", "bench._load", *words, seconds=seconds))
    return said


@contextmanager
def _server(served: Path, *words: str) -> Iterator[tuple[psutil.Process, int, float]]:
    """The process, its port, and the seconds until it was ready. Raises PushFitError."""
    started = time.monotonic()
    command = [sys.executable, "serve.py", "--run", str(served), "--port", "0", *words]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, preexec_fn=tie)
        try:
            port = 0
            while not port or not _ready(port):
                if process.poll() is not None or time.monotonic() - started > PATIENCE:
                    log.seek(0)
                    raise PushFitError(
                        "serve.py: " + (log.read().strip().splitlines() or ["?"])[-1]
                    )
                time.sleep(0.05)
                log.seek(0)
                port = port or _port(log.readline())
            yield psutil.Process(process.pid), port, time.monotonic() - started
        finally:
            process.kill()
            process.wait()


def _port(line: str) -> int:
    return int(line.partition("127.0.0.1:")[2].partition("/")[0] or 0)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except OSError:  # 503 among them
        return False
