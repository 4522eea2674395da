"""What the limits of a connection cost: the server on h11, as it is, and on uvicorn's httptools.

- Both servers stand all the while, each with the same model; one is asked and then the other, and
  the first of a round is the second of the next. An idle one costs nothing.
- Closed loop: each of LINES connections asks again as soon as it has its answer, so the server is
  the limit. `requests_s` counts answers of 200; `cpu_ms` is the server's CPU time an answer.
- Once with pictures to recognize (`recognize`), and once with what costs least, `/healthz`, where
  nearly all of the time is HTTP.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from bench._flow import per
from bench._served import AS_IT_IS, PATIENCE, server
from bench._turns import Figures, Rounds, told
from pushfit.errors import ConfigError
from pushfit.requirements import explained

SIDES = {"h11": AS_IT_IS, "httptools": ("-m", "bench._httptools")}
ASKED = ("recognize", "healthz")
LINES = 16


def compare(served: Path, digits: Path, seconds: float, count: int) -> dict[str, Any]:
    """The result of `bench serve --http`. Raises ConfigError where httptools is missing."""
    if find_spec("httptools") is None:
        missing = ModuleNotFoundError(name="httptools")
        raise ConfigError(explained(missing) or "httptools is not installed")
    rounds, warm, lost = Rounds(), Rounds(), list[str]()
    with ExitStack() as stack:
        up = {
            side: stack.enter_context(server(served, program=program))[:2]
            for side, program in SIDES.items()
        }
        for asked in ASKED:
            sides = {
                f"{side}_{asked}": partial(_ask, *up[side], asked, digits, seconds, lost)
                for side in SIDES
            }
            warm.measure(sides, 1)
            rounds.measure(sides, count)
    ratios: Figures = {}
    for name in ("requests_s", "cpu_ms"):
        pairs = {
            f"h11_vs_httptools_{asked}_{name}": (f"h11_{asked}", f"httptools_{asked}")
            for asked in ASKED
        }
        ratios |= rounds.ratios(pairs, name)
    rounds.failed += lost
    return rounds.result(ratios)


def _ask(
    process: psutil.Process, port: int, asked: str, digits: Path, seconds: float, failed: list[str]
) -> Figures:
    before = process.cpu_times()
    words = ("_load", "closed", port, asked, digits, LINES, seconds)
    said = told(*words, seconds=seconds + PATIENCE)
    after = process.cpu_times()
    if said["failed"]:
        failed.append(
            f"{said['failed']} of {said['asked']} requests had no answer of 200 ({asked})"
        )
    good = said["asked"] - said["failed"]
    used = after.user + after.system - before.user - before.system
    return {
        "requests_s": per(good, said["seconds"], "seconds"),
        "cpu_ms": 1e3 * per(used, good, "answers"),
    }
