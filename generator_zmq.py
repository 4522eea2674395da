"""A generator: makes samples from the photos on this host and pushes them to the trainer.

    python generator_zmq.py --connect tcp://gpu-host:12001 --key node-1.key --processes auto

Start as many as there are idle cores, on any host: before the trainer, after it, or in the middle
of a run; stop any of them at any time. The trainer tells them what to make.

    links folder ─▶ Worker: lease → read → decode → K patches → push ─▶ trainer
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from cfg.base import GeneratorSettings
from cfg.resolve import resolve
from lib.entry import enter
from lib.fleet.local import die_with_parent, supervise
from lib.interrupts import INTERRUPTED

LEVELS = {"warnings": logging.WARNING, "info": logging.INFO, "leases": logging.DEBUG}


def main(argv: list[str]) -> int:
    die_with_parent()
    settings = resolve(
        GeneratorSettings, argv, prog="generator_zmq.py", description=__doc__
    ).settings
    if settings.process_count > 1:
        command = [sys.executable, str(Path(__file__).resolve()), *argv, "--processes", "1"]
        return supervise(command, settings.process_count)

    from lib.generator.watchdog import Watchdog
    from lib.generator.worker import Worker
    from lib.wire import endpoint, keys

    logging.getLogger("pushfit").setLevel(LEVELS[settings.log])
    worker = Worker(
        endpoint.parse(settings.connect),
        Path(settings.links),
        stay=settings.stay,
        key=keys.read_secret(Path(settings.key), keys.GeneratorKey) if settings.key else None,
        watchdog=Watchdog(),
    )
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()
    return 0 if worker.finished else INTERRUPTED


if __name__ == "__main__":
    enter(main)
