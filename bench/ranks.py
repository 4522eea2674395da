"""What it costs to cut a stream for several trainers: one fleet, and R trainers on this machine.

    python -m bench ranks [--links DIR] [--task camera] [--worlds 1,2,4] [--samples 20000]

- A side is a run with `--shards` 4 and R trainers, of which each counts its part of the stream and
  trains nothing. As many generators as cores make the samples, for all of them.
- `mb_s`: bytes that all trainers got, by the seconds from the first generator's arrival to the end
  of the last trainer. `cpu_s`: CPU time of all generators, their start included.
- `sum_vs_one`: `mb_s` of R trainers ÷ that of one, the worst of the worlds; `cpu_vs_one`: `cpu_s`
  of R trainers ÷ that of one, the worst as well: more would mean that samples are made twice.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench import _data
from bench._turns import Figures, Rounds, chosen, links_flag, parser
from bench.lab.processes import Starter
from pushfit import tasks
from pushfit.errors import PushFitError

SHARDS = 4
PATIENCE = 600.0


def measure(task: str, links: Path, samples: int, world: int) -> Figures:
    """The figures of a run with `world` trainers. Raises PushFitError."""
    start = Starter(f"bench-ranks-{time.monotonic_ns()}")
    with tempfile.TemporaryDirectory(prefix="pushfit-ranks-") as folder:
        reports = [Path(folder) / f"{rank}.json" for rank in range(world)]
        words = (
            *("--task", task, "--batch-size", 64, "--epochs", 1, "--patches-per-epoch", samples),
            *("--shards", SHARDS, "--world", world, "--no-hash"),
        )
        try:
            trainers = [
                start.sink(links, *words, "--rank", rank, "--report", report)
                for rank, report in enumerate(reports)
            ]
            addresses = [f"--connect=tcp://127.0.0.1:{trainer.port}" for trainer in trainers]
            count = len(os.sched_getaffinity(0))
            fleet = start(
                *("generator_zmq.py", *addresses, "--links", links, "--stint", 1),
                *("--processes", count, "--task", task),
            )
            used: dict[int, float] = {}
            began = 0.0
            while any(trainer.process.poll() is None for trainer in trainers):
                if not began and any(" joined: " in trainer.output for trainer in trainers):
                    began = time.perf_counter()
                note(fleet.pid, used)
                time.sleep(0.02)
            seconds = time.perf_counter() - began
            for trainer in trainers:
                trainer.done(seconds=PATIENCE)
            found = [json.loads(report.read_text(encoding="utf-8")) for report in reports]
        finally:
            start.close()
    rows = [row for report in found for row in report["splits"]["train"]]
    if any(row["missing"] or row["duplicate"] for row in rows):
        raise PushFitError(f"{world} trainers: samples are missing or came twice")
    nbytes = sum(row["seen"] for row in rows) * sample_bytes(task)
    return {"mb_s": nbytes / seconds / 1e6, "cpu_s": sum(used.values())}


def sample_bytes(task: str) -> int:
    return sum(spec.nbytes for spec in tasks.create(task, {}).arrays())


def note(pid: int, used: dict[int, float]) -> None:
    """Keep the CPU time that each child of the supervisor `pid` has used so far."""
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):
                times = child.cpu_times()
                used[child.pid] = times.user + times.system


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("ranks", __doc__, rounds=3)
    links_flag(flags, "--links", "folder of the data")
    flags.add_argument("--task", default="camera")
    flags.add_argument("--worlds", default="1,2,4", help="numbers of trainers; 1 is among them")
    flags.add_argument("--samples", type=int, default=20_000, help="of a run")
    options = flags.parse_args(args)
    worlds = [int(word) for word in chosen("--worlds", options.worlds, ("1", "2", "4"))]
    links = _data.of_task(options.task, options.links)
    rounds = Rounds()
    one = partial(measure, options.task, links, options.samples)
    sides = {f"world_{world}": partial(one, world) for world in worlds}
    rounds.measure(sides, options.rounds)
    pairs = {f"{w}": (f"world_{w}", "world_1") for w in worlds if w > 1}
    of_rate = rounds.ratios({f"sum_vs_one_{w}": pair for w, pair in pairs.items()}, "mb_s")
    of_cpu = rounds.ratios({f"cpu_vs_one_{w}": pair for w, pair in pairs.items()}, "cpu_s")
    ratios = {**of_rate, **of_cpu}
    if of_rate and of_cpu:
        ratios |= {"sum_vs_one": min(of_rate.values()), "cpu_vs_one": max(of_cpu.values())}
    return rounds.result(ratios)
