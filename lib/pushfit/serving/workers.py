"""Several processes that answer at one port, each with the model, and their supervisor.

    serve.py --workers 3 ─┬─▶ worker 1: takes requests at once, and says 503 until it is ready
    (listens; no model)   ├─▶ worker 2 ┐ started when one is ready; they take requests when
                          └─▶ worker 3 ┘ their own model is loaded

- All workers accept from the same socket. So after a 200 from `/healthz` any of them answers, and
  no client waits for a worker that has died.
- A worker that dies is started again, after a pause that doubles while it keeps dying young. If it
  died before it was ready, and no other is ready, the server ends, since all would fail.
- SIGTERM, SIGHUP and Ctrl-C reach this process, which ends all workers. A worker is killed with the
  process that started it (`pushfit/fleet/local.py`), so nothing is left behind.
- Their metrics are in files of one folder, by number of the worker. So `/metrics` of any worker is
  the sum over all, also over restarts.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client.multiprocess import mark_process_dead

from pushfit import installation
from pushfit.fleet.local import PARENT, die_with_parent
from pushfit.host import temporary_folder
from pushfit.interrupts import INTERRUPTED, to_obey
from pushfit.serving.logs import log
from pushfit.serving.metrics import FIGURES

WORKER = "PUSHFIT_WORKER"  # environment variable with the fields of a Role
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds before a worker that died is started again
YOUNG = 30.0  # seconds after it was ready; the pause doubles if a worker dies before
LOOK = 0.1  # seconds between two checks
GRACE = 3.2  # seconds between SIGTERM and SIGKILL; a worker ends itself in less


class Role(NamedTuple):
    """What a worker is told. late: it takes requests only when its model is loaded."""

    number: int
    socket: int
    told: int
    late: int

    def ready(self) -> None:
        """Tell the supervisor that this worker is ready."""
        os.write(self.told, b"1")


def role() -> Role | None:
    """The role of this process; None: it is not a worker. Call it first.

    A worker from then on ends with its parent.
    """
    if (text := os.environ.pop(WORKER, "")) == "":
        return None
    die_with_parent()
    return Role(*map(int, text.split(",")))


class _Worker:
    """One of the processes, over its restarts."""

    def __init__(self, number: int, command: Sequence[str], opened: int, figures: str) -> None:
        self.number, self._command, self._opened = number, command, opened
        self._figures = figures
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_at = 0.0  # monotonic seconds; 0: it is not ready
        self.restart_at, self._pause = 0.0, FIRST_PAUSE
        self._heard = -1

    def start(self, *, late: bool) -> None:
        self._heard, told = os.pipe()
        try:
            role = Role(self.number, self._opened, told, int(late))
            own = {PARENT: str(os.getpid()), WORKER: ",".join(map(str, role))}
            self.process = subprocess.Popen(
                self._command,
                env={**os.environ, **own, FIGURES: self._figures},
                pass_fds=(self._opened, told),
                start_new_session=True,
            )
        finally:
            os.close(told)

    def look(self, now: float) -> int | None:
        """The exit code, or the negative signal number, if it has just ended; else None."""
        if self.process is None:
            return None
        code = self.process.poll()
        if not self.ready_at and select.select([self._heard], [], [], 0)[0]:
            self.ready_at = now if os.read(self._heard, 1) else 0.0
        return code

    def bury(self, code: int, now: float) -> None:
        """Note that it has ended, and log when another replaces it."""
        mark_process_dead(self.number, self._figures)  # type: ignore[no-untyped-call]
        os.close(self._heard)
        young = not self.ready_at or now - self.ready_at < YOUNG
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if young else FIRST_PAUSE
        self.process, self.ready_at, self.restart_at = None, 0.0, now + self._pause
        log.error("worker %d %s: another starts in %.1f s", self.number, _how(code), self._pause)


def _how(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL; if memory is short, use fewer --workers)"
    return f"was ended ({signal.Signals(-code).name})" if code < 0 else f"ended (exit code {code})"


def look_after(argv: Sequence[str], opened: socket.socket, count: int) -> int:
    """Run `count` workers at the socket `opened` until a signal comes; returns the exit code.

    argv: the arguments of serve.py, which each worker gets, too. Main thread only.
    """
    told: list[int] = []
    for number in to_obey():
        signal.signal(number, lambda number, _: told.append(number))
    command = installation.command("serve", *argv)
    with temporary_folder("what the workers count") as figures:
        workers = [_Worker(n + 1, command, opened.fileno(), figures) for n in range(count)]
        try:
            code = _run(workers, told)
        finally:
            opened.close()
            _end([worker.process for worker in workers if worker.process is not None], told)
    if code is not None:
        return code
    return INTERRUPTED if told[0] == signal.SIGINT else 0


def _run(workers: Sequence[_Worker], told: Sequence[int]) -> int | None:
    """Look after the workers until a signal comes, and return None.

    If a worker cannot become ready, return its exit code instead.
    """
    while not told:
        now = time.monotonic()
        for worker in workers:
            if (code := worker.look(now)) is None:
                continue
            if not worker.ready_at and not any(other.ready_at for other in workers):
                if code <= 0:
                    log.error("worker %d %s before it was ready", worker.number, _how(code))
                return code if code > 0 else 1
            worker.bury(code, now)
        _start(workers, now)
        time.sleep(LOOK)  # a signal ends the sleep
    return None


def _start(workers: Sequence[_Worker], now: float) -> None:
    """Start the workers that are due: only one while none is ready, to answer 503 meanwhile."""
    due = [worker for worker in workers if worker.process is None and now >= worker.restart_at]
    if any(worker.ready_at for worker in workers):
        for worker in due:
            worker.start(late=True)
    elif due and all(worker.process is None for worker in workers):
        due[0].start(late=False)


def _end(processes: Sequence[subprocess.Popen[bytes]], told: Sequence[int]) -> None:
    """Send SIGTERM to all, and SIGKILL to those still there after GRACE or a second signal."""
    for process in processes:
        process.terminate()
    until, before = time.monotonic() + GRACE, len(told)
    while any(process.poll() is None for process in processes):
        if time.monotonic() > until or len(told) > before:
            for process in processes:
                process.kill()
        time.sleep(0.02)
