"""The scripts as a user runs them: real processes, watched and ended by their pids.

Every process that a test starts, and whatever that starts in turn, carries the test's own mark in
its environment: so one that lost its parent is still found (`Starter.running`), and no other is.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench._apart import free_port

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Path(__file__).parent / "plain"
WITH_KERAS = {"train_zmq.py", "predict.py", "serve.py", "train", "predict", "serve"}
__all__ = ["Script", "Starter", "free_port", "until"]
MARK = "E2E_MARK"
# As in pyproject.toml: warnings are errors, but for the one that Keras brings about.
WARNINGS = ("-W", "error", "-W", "ignore:__array__ implementation:DeprecationWarning")
LONG = 150.0  # seconds: what hangs fails there; nothing takes as long, even on a busy machine


def until(true: Callable[[], bool], seconds: float = LONG) -> bool:
    """Return whether `true()` became so within `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _path(words: list[str]) -> dict[str, str]:
    """What it may import: where Keras is, not what only tests have (`plain/sitecustomize.py`)."""
    program = words[2] if words[:2] == ["-m", "pushfit"] else words[0]
    if program not in WITH_KERAS:
        return {}
    first = os.environ.get("PYTHONPATH")  # a test's own comes before
    return {"PYTHONPATH": os.pathsep.join(filter(None, (first, str(PLAIN))))}


def _as_in_a_terminal() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # nohup has the second one ignored
        signal.signal(number, signal.SIG_DFL)


class Script:
    """A process, of which stdout and stderr are collected together, line by line.

    inside: words to put before the command, to run it on another host (`bench/lab/hosts.py`).
    """

    def __init__(self, words: tuple[object, ...], mark: str, inside: tuple[str, ...] = ()) -> None:
        self.words = [str(word) for word in words]
        self.lines: list[tuple[float, str]] = []  # (seconds after the start, line)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*inside, sys.executable, *WARNINGS, *self.words],
            cwd=ROOT,
            env={**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1", **_path(self.words)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # As in a terminal, even where the tests themselves run in the background.
            preexec_fn=_as_in_a_terminal,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.started, line.rstrip("\n")))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return "\n".join(line for _, line in list(self.lines))

    def wait_for(self, pattern: str, seconds: float = LONG) -> re.Match[str]:
        """The first match of `pattern` in the output so far, or to come."""
        found: re.Match[str] | None = None

        def look() -> bool:
            nonlocal found
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(1.0)
            found = re.search(pattern, self.output)
            return found is not None or ended

        until(look, seconds)
        assert found, f"no {pattern!r} from {self.words} in:\n{self.output}"
        return found

    @property
    def port(self) -> int:
        return int(self.wait_for(r"listening at tcp://\S+:(\d+)")[1])

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def finish(self, seconds: float = LONG) -> int:
        """Wait for its end; returns the exit code. A traceback in its output fails the test."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.words} did not end; output:\n{self.output}") from None
        self._reader.join(10.0)
        assert "Traceback" not in self.output, self.output
        return code

    def done(self, code: int = 0, seconds: float = LONG) -> str:
        """Wait for its end with exit code `code`; returns the output."""
        found = self.finish(seconds)
        assert found == code, f"exit code {found} of {self.words}:\n{self.output}"
        return self.output

    def children(self) -> list[psutil.Process]:
        """All processes below this one, the generators last."""
        return psutil.Process(self.pid).children(recursive=True)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10.0)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Starter:
    """Starts scripts for one test, and ends all that are left of them."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.scripts: list[Script] = []

    def __call__(self, *words: object, inside: tuple[str, ...] = ()) -> Script:
        self.scripts.append(Script(words, self.mark, inside))
        return self.scripts[-1]

    def sink(self, links: Path, *words: object) -> Script:
        flags = ("--null", "--bind", "tcp://127.0.0.1:0", "--links", links, "--progress", "lines")
        return self("sink_zmq.py", *flags, *words)

    def trainer(self, links: Path, *words: object) -> Script:
        flags = ("--bind", "tcp://127.0.0.1:0", "--links", links, "--model", "smallcnn")
        return self("train_zmq.py", *flags, *words)

    def generator(self, links: Path, port: int, *words: object) -> Script:
        flags = ("--connect", f"tcp://127.0.0.1:{port}", "--links", links)
        return self("generator_zmq.py", *flags, *words)

    def running(self) -> list[psutil.Process]:
        """Processes of this test that live, whoever their parent is now."""
        found = []
        for process in psutil.process_iter():
            try:
                zombie = process.status() == psutil.STATUS_ZOMBIE
                if not zombie and process.environ().get(MARK) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def no_orphans(self) -> bool:
        """Return whether all processes end within a second (kill -9 takes effect at once)."""
        return until(lambda: not self.running(), 1.0)

    def close(self) -> None:
        for script in self.scripts:
            script.close()
        left = self.running()
        for process in left:
            process.kill()
        psutil.wait_procs(left, 5.0)
