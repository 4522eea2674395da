"""Generators that misbehave, each the real worker on the real task but for one thing.

python -m tests.support.peers KIND ADDRESS LINKS

late     keeps its first lease for LATE_SECONDS, alive and answering, and then delivers it
stuck    keeps its first lease for ever, alive and answering
slow     takes ten times as long as the rest for each lease
foreign  delivers each lease first with another run's, then with another version's header, and
         now and then says what belongs to another run
crowd    is fifty generators, all of which come at once
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pushfit.endpoint import parse
from pushfit.entry import enter
from pushfit.generator import maker, worker
from pushfit.generator.session import Session
from pushfit.generator.worker import Worker
from pushfit.wire import protocol as wire

LATE_SECONDS = 4.0
SLOWER = 10
CROWD = 50


class Holding(Session):
    """Holds the first lease back for `seconds`, but listens: not as a hung transform would."""

    seconds = LATE_SECONDS

    def _make(self, made: maker.Maker, grant: wire.Grant) -> None:
        until, self.seconds = time.monotonic() + self.seconds, 0.0
        if until > time.monotonic():
            logging.getLogger("pushfit").info("holding back")
        while time.monotonic() < until:
            self._poll(0.1)
        super()._make(made, grant)


class Stuck(Holding):
    seconds = 1e9


class Slow(Session):
    def _make(self, made: maker.Maker, grant: wire.Grant) -> None:
        started = time.monotonic()
        super()._make(made, grant)
        until = time.monotonic() + (SLOWER - 1) * (time.monotonic() - started)
        while (left := until - time.monotonic()) > 0:
            self._poll(left)


class Foreign(Session):
    def _make(self, made: maker.Maker, grant: wire.Grant) -> None:
        sockets, whole = self._sockets, self._sockets.push

        def push(header: bytes, arrays: Iterable[Any], seconds: float) -> bool:
            fields = msgspec.msgpack.decode(header)
            for wrong in ({"run": "another"}, {"v": wire.VERSION + 1}):
                whole(msgspec.msgpack.encode({**fields, **wrong}), list(arrays), seconds)
            return whole(header, list(arrays), seconds)

        sockets.push = push  # type: ignore[method-assign]
        try:
            super()._make(made, grant)
        finally:
            del sockets.push  # the class's own again
        if grant.lease % 20 == 0:
            self._send(wire.Heartbeat(run="another"))


KINDS = {"late": Holding, "stuck": Stuck, "slow": Slow, "foreign": Foreign}


def crowd(address: str, links: Path) -> None:
    workers = [Worker({parse(address): None}, links) for _ in range(CROWD)]
    threads = [threading.Thread(target=each.run) for each in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(argv: list[str]) -> int | None:
    kind, address, links = argv
    logging.getLogger("pushfit").setLevel(logging.DEBUG)
    if kind == "crowd":
        crowd(address, Path(links))
        return 0
    worker.Session = KINDS[kind]  # type: ignore[misc]
    one = Worker({parse(address): None}, Path(links))
    signal.signal(signal.SIGTERM, one.stop)
    one.run()
    return 0


if __name__ == "__main__":
    enter(main, sys.argv[1:])
