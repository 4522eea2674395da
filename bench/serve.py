"""Serving: how long an answer takes at 50 requests/s, how many there can be, and what spoils it.

    python -m bench serve [--run DIR] [--links DIR] [--seconds 10] [--rounds 2] [--malformed 10000]
    python -m bench serve --http [--run DIR] [--links DIR] [--seconds 10] [--rounds 2]

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
- `--http`: what the server's own protocol, on h11, costs against uvicorn's on httptools
  (`bench/_protocols.py`); nothing else is measured.
- Without --run it makes a model that knows nothing, which is as quick as one that does.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench import _data, _protocols
from bench._apart import printed
from bench._served import PATIENCE, server
from bench._turns import Figures, Rounds, links_flag, parser, told
from pushfit.host import typed_path

SIDES = {"batched": (), "single": ("--max-batch", "1")}
RATE, LIMIT_MS = 50.0, 100.0
STEPS, TRIES = 4, 2
ALLOWED = {"200", "400", "413", "415", "422", "503"}


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("serve", __doc__, seconds=10.0, rounds=2)
    flags.add_argument("--run", type=typed_path, help="the run to serve")
    links_flag(flags, "--links", "MNIST's files")
    flags.add_argument("--most", type=float, default=1600.0, help="highest rate to try")
    flags.add_argument("--malformed", type=int, default=10_000)
    flags.add_argument("--http", action="store_true", help="compare the protocols of HTTP alone")
    options = flags.parse_args(args)
    options.links = _data.digits(options.links)
    rounds = Rounds()
    with tempfile.TemporaryDirectory() as folder:
        served = options.run or _untrained(Path(folder))
        if options.http:
            return _protocols.compare(served, options.links, options.seconds, options.rounds)
        sides = {side: partial(_side, side, served, options) for side in SIDES}
        rounds.measure(sides, options.rounds)
        figures = {name.removeprefix("batched_"): each for name, each in rounds.figures().items()}
        if options.malformed:
            figures |= _malformed(served, options.malformed, rounds.failed)
    ratios = rounds.ratios({"batched_vs_single": ("batched", "single")}, "rate_p99_100ms")
    if not ratios:
        rounds.failed.append(
            f"with --max-batch 1 no rate that was tried had p99 under {LIMIT_MS:.0f} ms"
        )
    return rounds.result(ratios, figures)


def _untrained(folder: Path) -> Path:
    printed("-m", "bench._untrained", str(folder), seconds=PATIENCE)
    return folder


def _side(side: str, served: Path, options: argparse.Namespace) -> Figures:
    def at(rate: float) -> dict[str, Any]:
        words = ("_load", "rate", port, options.links, rate, options.seconds)
        return told(*words, seconds=options.seconds + PATIENCE)

    def good(rate: float) -> bool:
        return any(_good(at(rate)) for _ in range(TRIES))

    with server(served, *SIDES[side]) as (_, port, start):
        at(RATE)  # the first requests of a process are slower
        normal = at(RATE)
        best, worst, rate = 0.0, 0.0, RATE
        while not worst and rate <= options.most:
            best, worst = (rate, 0.0) if good(rate) else (best, rate)
            rate *= 2
        for _ in range(STEPS if worst else 0):
            middle = (best + worst) / 2
            best, worst = (middle, worst) if good(middle) else (best, middle)
    return {
        "p50_ms_at_50": normal["p50_ms"], "p99_ms_at_50": normal["p99_ms"],
        "rate_p99_100ms": best, "start_s": start,
    }  # fmt: skip


def _good(said: dict[str, Any]) -> bool:
    return not said["failed"] and said["p99_ms"] < LIMIT_MS


def _malformed(served: Path, count: int, failed: list[str]) -> dict[str, float]:
    with server(served) as (process, port, _):
        told("_load", "malformed", port, max(1, count // 10), seconds=10 * PATIENCE)
        before = process.memory_info().rss / 2**20
        said = told("_load", "malformed", port, count, seconds=10 * PATIENCE)
        after = process.memory_info().rss / 2**20
    for status, number in said["statuses"].items():
        if status not in ALLOWED:
            failed.append(f"{number} malformed uploads were answered with {status}")
    figures = {f"malformed_{status}": float(n) for status, n in said["statuses"].items()}
    return {**figures, "memory_before_mib": before, "memory_after_mib": after}
