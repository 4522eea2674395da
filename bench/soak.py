"""A run at full load for minutes: memory and file descriptors must not grow, nothing may warn.

    python -m bench soak [--minutes 10] [--generators 2] [--links DIR] [--json]

A sink takes and hashes all that its generators can make, every process in a process of its own.
Each second, of each: resident memory (RSS) and open file descriptors. The first fifth of the run
is warm-up. Then: the slope of the memory in MiB a minute (Theil-Sen: the median of the slopes
between all pairs of points, so that a spike counts for little), and its noise, the median
distance from that line.

It fails, with exit code 1, when a process has more descriptors open at the end than after the
warm-up, or logs a warning, or grows: by more than GROWTH_MIB over the rest of the run, or by more
than its noise, whichever is more. Below MEASURABLE minutes growth is printed and not judged: heaps
are still on their way to the largest photo.
"""

from __future__ import annotations

import itertools
import signal
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from bench import _data
from bench._flow import per
from bench._turns import links_flag, parser
from bench._watched import Progress
from bench.lab.processes import Script, Starter
from pushfit.errors import PushFitError

WARM_UP = 0.2
GROWTH_MIB = 16.0  # more is a leak; heaps breathe
MEASURABLE = 5.0
POINTS = 120  # of a course that go into the slope

Course = list[tuple[float, float, int]]  # (minutes, MiB, descriptors)


def look(process: psutil.Process, minutes: float) -> tuple[float, float, int]:
    with process.oneshot():
        return minutes, process.memory_info().rss / 2**20, process.num_fds()


def slope(course: Course) -> tuple[float, float]:
    """(MiB a minute, noise in MiB)."""
    points = [(at, mib) for at, mib, _ in course[:: max(1, len(course) // POINTS)]]
    pairs = itertools.combinations(points, 2)
    steep = statistics.median((m2 - m1) / (t2 - t1) for (t1, m1), (t2, m2) in pairs)
    level = statistics.median(mib - steep * at for at, mib in points)
    return steep, statistics.median(abs(mib - steep * at - level) for at, mib in points)


def soak(
    start: Starter, folder: Path, links: Path, minutes: float, generators: int
) -> tuple[dict[str, Course], list[str]]:
    """({process: its course}, warnings)."""
    # The buffer is small: the heap keeps the most that it ever held, and on a busy machine a large
    # buffer is full for the first time only after minutes, which would look like a leak.
    stream = (
        *("--links", links, "--patch", 64, "--mix-visits", 16, "--epochs", 5000),
        *("--patches-per-epoch", 20_000),
        *("--buffer", "16MiB", "--bind", "tcp://127.0.0.1:0", "--progress", "lines"),
    )
    watched = ("-m", "bench._watched", folder / "progress", folder / "no-pace", "sink_zmq.py")
    trainer = start(*watched, "--null", *stream)
    fleet = [
        start.generator(links, trainer.port, "--log", "warnings") for _ in range(generators)
    ]  # fmt: skip
    trainer.wait_for(f"joined: {generators} generator")
    scripts: dict[str, Script] = {"trainer": trainer}
    scripts |= {f"generator_{number}": each for number, each in enumerate(fleet, 1)}
    processes = {name: psutil.Process(script.pid) for name, script in scripts.items()}
    courses: dict[str, Course] = {name: [] for name in scripts}
    begun = time.monotonic()
    while (spent := (time.monotonic() - begun) / 60) < minutes:
        for name, process in processes.items():
            if scripts[name].process.poll() is not None:
                raise PushFitError(f"the {name} ended:\n{scripts[name].output}")
            courses[name].append(look(process, spent))
        time.sleep(1.0)
    said = [line for script in fleet for _, line in script.lines]
    for script in (*fleet, trainer):
        script.send(signal.SIGINT)
        script.done(130)
    return courses, said + Progress(folder / "progress").warnings


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("soak", __doc__)
    flags.add_argument("--minutes", type=float, default=10.0)
    flags.add_argument("--generators", type=int, default=2)
    links_flag(flags, "--links", "photos")
    options = flags.parse_args(args)
    starter = Starter(uuid.uuid4().hex)
    with tempfile.TemporaryDirectory(prefix="pushfit-soak-") as name:
        folder = Path(name)
        try:
            links = _data.small_photos(options.links, folder).resolve()
            courses, warnings = soak(starter, folder, links, options.minutes, options.generators)
            moments = Progress(folder / "progress").moments
        finally:
            starter.close()
    seconds = moments[-1].seconds - moments[0].seconds if moments else 0.0
    visits = moments[-1].received if moments else 0
    figures: dict[str, float] = {"visits_per_second": per(visits, seconds, "seconds")}
    failed = [f"a warning: {line}" for line in warnings[:20]]
    for name, course in courses.items():
        rest = course[int(WARM_UP * len(course)) :]
        steep, noise = slope(rest)
        # The least of several looks: a file that is read just then is not a leak.
        few = max(1, len(rest) // 5)
        more = min(look[2] for look in rest[-few:]) - min(look[2] for look in rest[:few])
        figures[f"{name}_mib"] = rest[-1][1]
        figures[f"{name}_mib_per_minute"] = steep
        figures[f"{name}_noise_mib"] = noise
        figures[f"{name}_fds"] = rest[-1][2]
        figures[f"{name}_fds_more"] = more
        if more > 0:
            failed.append(f"the {name} has {more} descriptors more open than after the warm-up")
        grown = steep * (rest[-1][0] - rest[0][0])
        if options.minutes >= MEASURABLE and grown > max(GROWTH_MIB, noise):
            failed.append(f"the {name} grew by {grown:.1f} MiB")
    figures["warnings"] = len(warnings)
    return {"ratios": {}, "figures": figures, "failed": failed}
