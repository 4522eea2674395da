"""Streams that are stored: large samples that cost nothing to make, a sink, what it left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.lab.processes import Script, Starter
from tests.support.fakes import write_numbers
from tests.support.own_tasks import BIG, write_task

# A visit of 8 MB: eight to a shard, two shards and a bit to an epoch.
FLAGS = ("--epochs", 2, "--patches-per-visit", 40, "--mix-visits", 4, "--lease-bytes", "20MB")
RECORDS = 18
SHARDS = 2 * 3 + 1
VARIES = {"log.txt", "config.json", "report.json", ".lock"}  # when, how fast, by whom


class Big:
    """A folder with a task in a file and its data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.links = folder, write_numbers(folder / "data", train=RECORDS)
        self.task = write_task(folder / "big.py", BIG)

    def spoil(self, *numbers: int) -> None:
        for number in numbers:
            (self.links / "train" / ("even", "odd")[number % 2] / f"{number:03}.txt").write_text(
                "bad"
            )

    def store(self, start: Starter, out: Path, *words: object, generators: int = 1) -> Script:
        """A sink that stores the stream in `out`."""
        flags = ("--bind", "tcp://127.0.0.1:0", "--progress", "lines", "--generators", generators)
        data = ("--task", self.task, "--links", self.links)
        return start("sink_zmq.py", "--out", out, *data, *FLAGS, *flags, *words)

    def again(self, start: Starter, out: Path, *words: object) -> Script:
        """One that goes on with it."""
        return start("sink_zmq.py", "--resume", "--out", out, *words)


def files(out: Path) -> dict[str, str]:
    """What has to be the same for equal streams: every file's hash, but for those that VARY."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.iterdir())
        if path.name not in VARIES
    }


def splits(out: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((out / "report.json").read_text())["splits"]
    return found
