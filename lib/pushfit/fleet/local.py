"""Generator processes on this host: started, looked after, ended.

    trainer ── LocalFleet ─▶ supervisor (`main`) ─▶ N × pushfit generate
    user ─────▶ pushfit generate --processes N = supervisor ─▶ N × pushfit generate

- The supervisor has one thread and does nothing but start what died, with a pause that doubles
  while a process keeps dying young. When one ends by itself (0: the run is over; 2, 3: it cannot
  work), that holds for all: one that had not found the trainer yet would wait for ever.
- No orphans: each child asks the kernel to be killed when its parent ends (PR_SET_PDEATHSIG), so
  even `kill -9` of a trainer takes its local generators along.
- Children stand in sessions of their own: Ctrl-C reaches only the parent, which then ends them.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pushfit.installation import command
from pushfit.interrupts import INTERRUPTED, to_obey
from pushfit.shared_folder import sharing

PARENT = "PUSHFIT_PARENT"  # environment: pid of the process that a child must not outlive
PLACE = "PUSHFIT_PLACE"  # … its number among the processes of its supervisor, over restarts
FINAL = (0, 2, 3)  # exit codes after which starting again would change nothing
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds before a process that died is started again
YOUNG = 5.0  # seconds; who dies younger has the pause doubled
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
LOOK = 0.1  # seconds between two looks

log = logging.getLogger("pushfit.fleet")


def die_with_parent() -> None:
    """Called by a child at its start: have the kernel end it with the parent that started it."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != int(parent):  # it ended before we asked
        sys.exit(0)


def place() -> int:
    """The number of this process among those of its supervisor; 0 where it has none."""
    return int(os.environ.get(PLACE, "0")) if PARENT in os.environ else 0


def _start(command: Sequence[str], place: int, about: Mapping[str, str]) -> subprocess.Popen[bytes]:
    env = {**os.environ, **about, PARENT: str(os.getpid()), PLACE: str(place)}
    return subprocess.Popen(command, env=env, start_new_session=True)


def _end(children: Sequence[subprocess.Popen[bytes]], grace: float) -> None:
    """SIGTERM to all, SIGKILL to those still there after `grace` seconds."""
    for child in children:
        child.terminate()
    until = time.monotonic() + grace
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class _Place:
    """One of the supervisor's processes, over its restarts."""

    def __init__(self, command: Sequence[str], number: int, about: Mapping[str, str]) -> None:
        self.command, self.number, self.about = command, number, about
        self.pause = FIRST_PAUSE
        self.restart_at = 0.0
        self.code: int | None = None  # final: not to be started again
        self.start(time.monotonic())

    def start(self, now: float) -> None:
        self.started = now
        self.process: subprocess.Popen[bytes] | None = _start(self.command, self.number, self.about)

    def look(self, now: float) -> None:
        if self.process is None:
            if self.code is None and now >= self.restart_at:
                self.start(now)
            return
        code = self.process.poll()
        if code is None:
            return
        pid, self.process = self.process.pid, None
        if code in FINAL:
            self.code = code
            return
        young = now - self.started < YOUNG
        self.pause = min(2 * self.pause, LONGEST_PAUSE) if young else FIRST_PAUSE
        self.restart_at = now + self.pause
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        log.warning("generator %d ended (%s): starting another in %.1f s", pid, how, self.pause)


def supervise(command: Sequence[str], count: int) -> int:
    """Keep `count` processes of `command` running until one is done, or a signal comes.

    Returns the exit code of the one that was done; INTERRUPTED after a signal.
    """
    stopping = threading.Event()
    for number in to_obey():
        signal.signal(number, lambda *_: stopping.set())
    with sharing() as about:
        places = [_Place(command, number, about) for number in range(count)]
        codes: set[int] = set()
        while not codes and not stopping.wait(LOOK):
            now = time.monotonic()
            for place in places:
                place.look(now)
            codes = {place.code for place in places if place.code is not None}
        _end([place.process for place in places if place.process is not None], GRACE)
    return max(codes, default=INTERRUPTED)


class LocalFleet:
    """`count` local generators for a trainer at `address`, looked after until `close`.

    key: a file with their key, where the trainer wants one; task: one with a task, if not built in.

    `on_end(code)` is called, in a thread of its own, when all of them have ended by themselves.
    """

    def __init__(
        self,
        count: int,
        address: str,
        links: Path,
        on_end: Callable[[int], None],
        *,
        key: Path | None = None,
        task: str = "",
    ) -> None:
        generator = command("generate", "--connect", address, "--links", str(links))
        # These over what stands in the environment.
        generator += ["--key", str(key) if key is not None else "", "--task", task]
        generator += ["--log", "warnings"]  # the trainer says who comes and goes
        self._command = command("_supervise", str(count), *generator)
        self._on_end = on_end
        self._closing, self._grace = threading.Event(), 0.0
        # The kernel ties a child to the *thread* that started it: so this one lives as long.
        self._thread = threading.Thread(target=self._watch, name="local-fleet", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._closing.is_set():
            supervisor = subprocess.Popen(
                self._command,
                env={**os.environ, PARENT: str(os.getpid())},
                start_new_session=True,
            )
            while not self._closing.wait(LOOK) and supervisor.poll() is None:
                pass
            if self._closing.is_set():
                _end([supervisor], self._grace)  # killed, it takes its children along
                return
            if supervisor.returncode in FINAL:
                self._on_end(supervisor.returncode)
                return
            log.warning("the supervisor of the local generators ended: starting it again")
            self._closing.wait(FIRST_PAUSE)

    def close(self, grace: float = GRACE + 0.5) -> None:
        """End them all; returns when they have ended. `grace`: seconds they get to do so."""
        self._grace = grace
        self._closing.set()
        self._thread.join()


def main(words: list[str]) -> int:
    """The supervisor: words are how many processes, and the command line of one."""
    die_with_parent()
    return supervise(words[1:], int(words[0]))
