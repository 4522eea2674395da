"""A generator: makes samples from the photos on this host and pushes them to the trainer.

    python generator_zmq.py --connect tcp://gpu-host:12001 --key node-1.key --processes auto

Start as many as there are idle cores, on any host: before the trainer, after it, or in the middle
of a run; stop any of them at any time. The trainer tells them what to make.

    links folder ─▶ Worker: lease → read → decode → K patches → push ─▶ trainer

With several addresses one fleet serves several runs: each process works for one at a time, and goes
to another that has too few, or none.

    python generator_zmq.py --connect tcp://a:12001 --connect tcp://b:12001 --processes 8
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from cfg.base import GeneratorSettings
from cfg.resolve import resolve
from lib import tasks
from lib.entry import enter
from lib.fleet.local import die_with_parent, place, supervise
from lib.health import Health
from lib.interrupts import INTERRUPTED

LEVELS = {"warnings": logging.WARNING, "info": logging.INFO, "leases": logging.DEBUG}


def main(argv: list[str]) -> int:
    die_with_parent()
    settings = resolve(
        GeneratorSettings, argv, prog="generator_zmq.py", description=__doc__
    ).settings
    built_in = not settings.task or settings.task in tasks.TASKS
    own = None if built_in else tasks.load(settings.task)
    if settings.process_count > 1:
        command = [sys.executable, str(Path(__file__).resolve()), *argv, "--processes", "1"]
        return supervise(command, settings.process_count)

    from lib.generator.watchdog import Watchdog
    from lib.generator.worker import Worker
    from lib.wire import endpoint, keys

    logging.getLogger("pushfit").setLevel(LEVELS[settings.log])
    worker = Worker(
        {
            endpoint.parse(address): keys.read_secret(Path(key), keys.GeneratorKey) if key else None
            for address, key in zip(settings.connect, settings.keys, strict=True)
        },
        Path(settings.links),
        stay=settings.stay,
        own=own,
        watchdog=Watchdog(),
        health=Health(settings.health),
        place=place(),
        stint=settings.stint,
    )
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()
    return 0 if worker.finished else INTERRUPTED


if __name__ == "__main__":
    enter(main)
