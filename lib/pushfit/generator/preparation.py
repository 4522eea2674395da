"""`Task.setup` and `Task.teardown` of a generator process.

`setup` may take as long as it needs, since the generator holds no lease and the watchdog does not
run yet. A thread says meanwhile that the process is alive, and tells people where it takes long.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pushfit.errors import raised
from pushfit.tasks import checks
from pushfit.tasks.base import Task

LONG_SECONDS = 10.0  # before the log says that `setup` still runs, and again after twice that
BEAT_SECONDS = 1.0

log = logging.getLogger("pushfit.generator")


def set_up(
    task: Task, links: Path, beat: Callable[[], object] = lambda: None, long: float = LONG_SECONDS
) -> None:
    """Run `task.setup(links)`. Raises TaskError if that raises.

    beat: called each second meanwhile, on another thread.
    long: seconds before the log says that it still runs.
    """
    if type(task).setup is Task.setup:
        return
    over = threading.Event()

    def tell() -> None:
        started, due = time.monotonic(), long
        while not over.wait(min(BEAT_SECONDS, long)):
            beat()
            if (spent := time.monotonic() - started) >= due:
                due = 2 * spent
                log.warning(
                    "setup() of the task %s has run for %.0f s: this generator joins when it is "
                    "done, however long it takes (Ctrl-C ends it)",
                    *(task.name, spent),
                )

    thread = threading.Thread(target=tell, name="setup", daemon=True)
    thread.start()
    try:
        checks.called(task, "setup", links)
    finally:
        over.set()
        thread.join()


def tear_down(task: Task) -> None:
    """Run `task.teardown()`. What it raises is logged, since the work is done."""
    try:
        task.teardown()
    except (Exception, SystemExit) as error:
        log.warning("teardown() of the task %s raised %s", task.name, raised(error))
