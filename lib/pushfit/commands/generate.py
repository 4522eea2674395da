"""Make samples from the data on this host, and push them to a trainer.

    pushfit generate --connect tcp://gpu-host:12001 --key node-1.key --processes auto

Start one process for each idle core, on any host: before the trainer, after it, or in the middle of
a run. Any of them may be stopped at any time. The trainer tells them what to make.

    links folder ─▶ Worker: lease → read → decode → K patches → push ─▶ trainer

One fleet serves several runs if it is given several addresses. Each process works for one run at a
time, and moves to a run that has too few processes, or none.

    pushfit generate --connect tcp://a:12001 --connect tcp://b:12001 --processes 8
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pushfit import installation, tasks
from pushfit.fleet.local import die_with_parent, place, supervise
from pushfit.health import Health
from pushfit.host import keep_freed_memory, resident_bytes
from pushfit.installation import as_typed, called
from pushfit.interrupts import INTERRUPTED, to_obey
from pushfit.links import check as check_links
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.resolve import resolve

if TYPE_CHECKING:
    from pushfit.tasks.base import Task

log = logging.getLogger("pushfit.generator")

FRAMEWORKS = ("tensorflow", "keras", "jax", "torch")  # modules that a generator does not need
KEPT_BYTES = 64 * 2**20  # of freed memory: the photos that are decoded next need it again
LEVELS = {"warnings": logging.WARNING, "info": logging.INFO, "leases": logging.DEBUG}


def main(argv: list[str]) -> int:
    die_with_parent()
    settings = resolve(
        GeneratorSettings, argv, prog=called("generate"), description=as_typed(__doc__)
    ).settings
    built_in = not settings.task or settings.task in tasks.TASKS
    own = None if built_in else _load(settings)
    from pushfit import endpoint
    from pushfit.wire import keys

    if own is None:  # a user's task may need no data
        check_links(Path(settings.links))
    # The keys are read before a supervisor starts processes, which would all report the same error.
    trainers = {
        endpoint.parse(address): keys.read_secret(Path(key), keys.GeneratorKey) if key else None
        for address, key in zip(settings.connect, settings.keys, strict=True)
    }
    if settings.process_count > 1:
        command = installation.command("generate", *argv, "--processes", "1")
        return supervise(command, settings.process_count)

    from pushfit.generator.watchdog import Watchdog
    from pushfit.generator.worker import Worker

    logging.getLogger("pushfit").setLevel(LEVELS[settings.log])
    keep_freed_memory(KEPT_BYTES)
    worker = Worker(
        trainers,
        Path(settings.links),
        stay=settings.stay,
        own=own,
        watchdog=Watchdog(),
        health=Health(settings.health),
        place=place(),
        stint=settings.stint,
    )
    for number in to_obey():
        signal.signal(number, worker.stop)
    worker.run()
    return 0 if worker.finished else INTERRUPTED


def _load(settings: GeneratorSettings) -> type[Task]:
    """The task in the user's file. If it imports a framework, one process of a fleet warns."""
    before, started = resident_bytes(), time.monotonic()
    own = tasks.load(settings.task)
    heavy = [name for name in FRAMEWORKS if name in sys.modules]
    if heavy and settings.process_count == 1 and place() == 0:
        log.warning(
            "%s imports %s at its top, which cost this process %.1f s and %.0f MB, and costs every "
            "generator process as much: import it inside the methods that run in the trainer "
            "(build_model, loss, metrics)",
            *(settings.task, ", ".join(heavy), time.monotonic() - started),
            (resident_bytes() - before) / 1e6,
        )
    return own
