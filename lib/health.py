"""Whether the processes of a container work: they note it, and a health check looks at the notes.

    python -m lib.health /tmp/pushfit-health              0: they work; 1: one does not, and why
    python -m lib.health http://127.0.0.1:8000/healthz    the same of a server

A process has one file in the folder, called by its pid, whose time it renews while it works: a
generator when it hears from its trainer, a trainer when it has listened to its fleet. Whether a
process only exists, its container knows without that; a port that is open shows no more, as the
kernel and ZeroMQ answer there whatever Python does.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

EVERY_SECONDS = 1.0
STALE_SECONDS = 30.0  # as long as a generator may be busy with one photo: --expiry
HTTP_SECONDS = 3.0

log = logging.getLogger("pushfit.health")


class Health:
    """This process's note in `folder`; without a folder it does nothing."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / str(os.getpid()) if folder else None
        self._next = 0.0

    def beat(self, now: float, doing: str) -> None:
        """It works. now: monotonic seconds. doing: what a check shows, should this be the last."""
        if self._path is None or now < self._next:
            return
        self._next = now + EVERY_SECONDS
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(doing, encoding="utf-8")
        except OSError as error:  # no reason to end a run
            log.warning(
                "cannot note in %s that this process works (%s), so it will seem unhealthy: "
                "mount a tmpfs there, or name another folder with --health",
                *(self._path.parent, error.strerror),
            )
            self._path = None


def check(folder: Path, now: float) -> tuple[bool, str]:
    """Whether every process with a note in `folder` works, and a line about it. now: of the day."""
    try:
        notes = [path for path in folder.iterdir() if Path("/proc", path.name).is_dir()]
    except OSError:
        notes = []
    if not notes:
        return False, "no process has reached the other end yet; its log says why"
    said = []
    for path in sorted(notes):
        age, doing = now - path.stat().st_mtime, path.read_text(encoding="utf-8")
        if age > STALE_SECONDS:
            return False, f"process {path.name} has not worked for {age:.0f} s; the last: {doing}"
        said.append(doing)
    return True, "; ".join(said)


def ask(url: str) -> tuple[bool, str]:
    """Whether a server says that it is well."""
    import urllib.request  # not for the check of a folder, which is made often

    try:
        with urllib.request.urlopen(url, timeout=HTTP_SECONDS) as answer:
            return True, f"{url}: {answer.status}"
    except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
        return False, f"{url}: {error}"


def main(argv: list[str]) -> int:
    if len(argv) != 1:
        print("usage: python -m lib.health FOLDER|URL", file=sys.stderr)
        return 2
    well, said = ask(argv[0]) if "://" in argv[0] else check(Path(argv[0]), time.time())
    print(said)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
