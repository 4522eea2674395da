"""A field of hosts with a run on it that lasts for as long as its test wants it to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.lab.hosts import Host, Lab
from bench.lab.processes import Script, Starter

SILENCE, EXPIRY = 1.0, 3.0


PORT = 12001


STREAM = (
    *("--patch", 32, "--patches-per-visit", 8, "--batch-size", 8, "--mix-visits", 8),
    *("--patches-per-epoch", 4000, "--epochs", 2, "--lease-bytes", "20KB", "--buffer", "1MiB"),
)


SECONDS_A_BATCH = 0.05  # while the test holds the run back: 1,000 batches last for 50 seconds


def hashes(report: dict[str, Any]) -> list[str]:
    return [row["stream_sha256"] for rows in report["splits"].values() for row in rows]


class Field:
    """A trainer's place (a sink, on a host of the lab or on loopback), and generators around it.

    The run takes its batches slowly until `finish`, which then checks what holds after any fault.
    """

    def __init__(self, start: Starter, folder: Path, links: Path, lab: Lab | None) -> None:
        self.start, self.folder, self.links, self.lab = start, folder, links, lab
        self.pace = folder / "pace"
        self.pace.write_text(str(SECONDS_A_BATCH))
        self.scripts: list[Script] = []

    def sink(self, *flags: object) -> Script:
        address = self.lab["gpu"].address if self.lab else "127.0.0.1"
        port = PORT if self.lab else 0
        bind = ("--bind", f"tcp://{address}:{port}", *(("--insecure",) if self.lab else ()))
        words = ("-m", "bench._watched", self.folder / "progress", self.pace, "sink_zmq.py")
        waits = ("--silence", SILENCE, "--expiry", EXPIRY, "--progress", "lines")
        out = ("--report", self.folder / "report.json")
        given = ("--null", "--links", self.links, *STREAM, *waits, *bind, *out, *flags)
        self.trainer = self.start(*words, *given, inside=self.lab["gpu"].inside if self.lab else ())
        self.address = f"tcp://{address}:{self.trainer.port}"
        return self.trainer

    def generator(self, host: Host | None = None, *, stays: bool = True) -> Script:
        """stays: it is still there at the end of the run, and ends with it."""
        words = ("generator_zmq.py", "--connect", self.address, "--links", self.links)
        return self._started((*words, "--log", "leases"), host, stays)

    def peer(self, kind: str, host: Host | None = None) -> Script:
        words = ("-m", "tests.support.peers", kind, self.address, self.links)
        return self._started(words, host, True)

    def _started(self, words: tuple[object, ...], host: Host | None, stays: bool) -> Script:
        script = self.start(*words, inside=host.inside if host else ())
        if stays:
            self.scripts.append(script)
        return script

    def working(self, *scripts: Script) -> None:
        """Wait until each of `scripts` has delivered a lease."""
        for script in scripts:
            script.wait_for(r"lease \d+: ")

    def gives_up(self, script: Script) -> None:
        """Wait until the trainer has said of a generator that it left, was lost, was slow, …"""
        self.trainer.wait_for(rf"\(pid {script.pid}\) (?!joined)")

    def finish(self, calm: list[str]) -> dict[str, Any]:
        """Let the run go at full speed, to its end. Returns its report."""
        self.pace.unlink()
        said = self.trainer.done()
        assert "Every sample was counted exactly once." in said
        for script in self.scripts:
            script.done()
        assert self.start.no_orphans()
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        for row in (row for rows in report["splits"].values() for row in rows):
            assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
        assert hashes(report) == calm
        return report
