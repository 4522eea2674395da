"""Health checks: the processes of a container note that they work, and a check reads the notes.

    pushfit health /tmp/pushfit-health              exit code 0: all work; 1: one does not, and why
    pushfit health http://127.0.0.1:8000/healthz    asks a server, with the same exit codes

Each process has one file in the folder, named by its pid, and renews the file's time while it
works: a generator when it hears from its trainer, a trainer when it has listened to its fleet. The
file says for how many seconds it may stay as it is, and what the process did. An open port would
not show this, since the kernel and ZeroMQ answer there even if Python hangs.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

EVERY_SECONDS = 1.0
# The age at which a note means that its process does not work. A note may name a longer time, as a
# generator's does if its trainer, by a higher --expiry, lets it work longer on one record.
STALE_SECONDS = 30.0
HTTP_SECONDS = 3.0

log = logging.getLogger("pushfit.health")


class Health:
    """This process's note in `folder`. With `folder` ``""`` it does nothing."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / str(os.getpid()) if folder else None
        self._next = 0.0

    def beat(self, now: float, doing: str, busy: float = 0.0) -> None:
        """Note that this process works.

        now: monotonic seconds.
        doing: what the process is doing; a check shows it if this note is the last one.
        busy: seconds for which the process may be busy and note nothing; STALE_SECONDS at least.
        """
        if self._path is None or now < self._next:
            return
        self._next = now + EVERY_SECONDS
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(f"{max(busy, STALE_SECONDS):.0f} {doing}", encoding="utf-8")
        except OSError as error:  # this is not a reason to end a run
            log.warning(
                "this process cannot write its health note to %s (%s), so it will seem unhealthy: "
                "mount a tmpfs there, or name another folder with --health",
                *(self._path.parent, error.strerror),
            )
            self._path = None


def check(folder: Path, now: float) -> tuple[bool, str]:
    """(whether every process with a note in `folder` works, a line about it).

    now: seconds since the epoch, as `time.time()` gives them.
    """
    try:
        notes = [path for path in folder.iterdir() if Path("/proc", path.name).is_dir()]
    except OSError:
        notes = []
    if not notes:
        return False, "no process has reached its peer yet; its log says why"
    said = []
    for path in sorted(notes):
        age = now - path.stat().st_mtime
        stale, _, doing = path.read_text(encoding="utf-8").partition(" ")
        if age > (float(stale) if stale.isdecimal() else STALE_SECONDS):
            return False, f"process {path.name} has not worked for {age:.0f} s; last note: {doing}"
        said.append(doing)
    return True, "; ".join(said)


def ask(url: str) -> tuple[bool, str]:
    """(whether the server at `url` says that it is healthy, its answer)."""
    import urllib.request  # imported here, as the check of a folder runs often and does not need it

    try:
        with urllib.request.urlopen(url, timeout=HTTP_SECONDS) as answer:
            return True, f"{url}: {answer.status}"
    except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
        return False, f"{url}: {error}"
