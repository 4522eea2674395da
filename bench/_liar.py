"""A client of the wire that has a key of the fleet, joins as a generator does, and lies.

    python -m bench._liar HOST PORT KEY-FILE SEED

It has no data: it repeats the fingerprint that the trainer told it. First it breaks a few
connections with leases in its hand, each under another name. Then it answers each lease with a
lie, and says hello again over the same connection whenever that ends its session, until the
trainer refuses its key.

Each lie is wrong in one respect, and right in all others: a check that is missing lets it through,
and the stream shows it.

The exit code is 0 when the key is refused or the run is over, and 1 when neither is so in time.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from bench import _messages
from pushfit import tasks
from pushfit.endpoint import Endpoint
from pushfit.tasks.base import ArraySpec
from pushfit.wire import protocol as wire
from pushfit.wire.generator_sockets import GeneratorSockets
from pushfit.wire.keys import GeneratorKey, read_secret

BROKEN = 5  # connections that it breaks
PATIENCE = 45.0  # seconds after which it should have been put out
WAIT = 0.1  # seconds for a message
RECORD = 2**40  # no data set has so many

Message = tuple[wire.Data, list[np.ndarray]] | wire.Fail
Lie = Callable[["Session", wire.Grant], Message]


class Over(Exception):
    """The key is refused, or the run has ended."""


class Ended(Exception):
    """This session has ended, and no other can follow over its connections."""


class SentBack(Ended):
    """The trainer answered with a reset or a rejection: the session begins again at hello."""


class Session(NamedTuple):
    """One stay at the trainer, which has welcomed it."""

    name: str
    sockets: GeneratorSockets
    welcome: wire.Welcome
    specs: tuple[ArraySpec, ...]

    def result(self, grant: wire.Grant) -> tuple[wire.Data, list[np.ndarray]]:
        """A result that would be accepted; all values are 0."""
        rows = len(grant.records) * self.welcome.patches[grant.split]
        arrays = [np.zeros((rows, *spec.shape), spec.dtype) for spec in self.specs]
        header = _messages.result(self.welcome, self.name, grant, self.specs)
        return header, arrays

    def fail(self, grant: wire.Grant, record: int, *, retry: bool) -> wire.Fail:
        """Says that the lease cannot be made."""
        return wire.Fail(
            run=self.welcome.run, lease=grant.lease, fence=grant.fence, record=record,
            path="made/up.jpg", reason="a lie", retry=retry,
        )  # fmt: skip


# -- lies -----------------------------------------------------------------------------------------


def labels_that_are_no_class(session: Session, grant: wire.Grant) -> Message:
    header, arrays = session.result(grant)
    for spec, array in zip(session.specs, arrays, strict=True):
        if spec.name == "label":
            array[:] = np.iinfo(spec.dtype).max
    return header, arrays


def too_few_rows(session: Session, grant: wire.Grant) -> Message:
    header, arrays = session.result(grant)
    return header, [array[:-1] for array in arrays]


def a_record_that_is_none(session: Session, grant: wire.Grant) -> Message:
    return session.fail(grant, RECORD, retry=True)


def a_record_that_can_be_read(session: Session, grant: wire.Grant) -> Message:
    return session.fail(grant, grant.records[0], retry=True)


def nothing_can_make_it(session: Session, grant: wire.Grant) -> Message:
    return session.fail(grant, -1, retry=False)


# What a header says in the place of the truth; all else of the result is right.
HEADERS: dict[str, Callable[[wire.Grant, wire.Data], dict[str, Any]]] = {
    "bad_records_of_other_leases": lambda grant, header: {
        "bad": [
            wire.Bad(grant.first + RECORD + n, n, f"made/up-{n}.jpg", "a lie") for n in range(50)
        ]
    },
    "bad_records_by_other_names": lambda grant, header: {
        "bad": [
            wire.Bad(grant.first + n, record, "made/up.jpg", "a lie")
            for n, record in enumerate(grant.records)
        ]
    },
    "wrong_shapes": lambda grant, header: {
        "arrays": tuple(replace(one, shape=(*one.shape, 2)) for one in header.arrays)
    },
    "other_visits": lambda grant, header: {"first": grant.first + 1},
    "compressed_noise": lambda grant, header: {"packed": ("zstd",) * len(header.arrays)},
    "a_lease_of_others": lambda grant, header: {"fence": grant.fence + 1},
    "a_lease_that_is_not_cut_yet": lambda grant, header: {"lease": grant.lease + RECORD},
    "in_the_name_of_nobody": lambda grant, header: {"generator": "nobody/1/2"},
}


def _of_the_header(name: str) -> Lie:
    def lie(session: Session, grant: wire.Grant) -> Message:
        header, arrays = session.result(grant)
        return replace(header, **HEADERS[name](grant, header)), arrays

    lie.__name__ = name
    return lie


LIES: tuple[Lie, ...] = (
    labels_that_are_no_class,
    too_few_rows,
    *map(_of_the_header, HEADERS),
    a_record_that_is_none,
    a_record_that_can_be_read,
    nothing_can_make_it,
)


# -- the liar -------------------------------------------------------------------------------------


class Liar:
    """Lies in one session after another, each under a name of its own."""

    def __init__(self, trainer: Endpoint, key: GeneratorKey, seed: int) -> None:
        self._trainer, self._key = trainer, key
        self._rng, self._until = random.Random(seed), time.monotonic() + PATIENCE
        self._lies: list[Lie] = []

    def run(self) -> None:
        """Raises Over when it is put out, or the run has ended."""
        sessions = 0
        while time.monotonic() < self._until:
            with suppress(Ended), self.joined(f"liar/{os.getpid()}/{sessions}") as session:
                if sessions < BROKEN:
                    self._begin(session, self.leases(session)[0])
                else:
                    self._lie(session)
            sessions += 1

    @staticmethod
    def _check(sockets: GeneratorSockets) -> None:
        """Raises Over where the trainer refuses the key."""
        if "is not admitted" in (why := sockets.trouble()):
            raise Over(f"put out: {why}")

    def _hear(self, sockets: GeneratorSockets) -> wire.FromTrainer:
        """The trainer's next message. Raises Over, or Ended where no more will come."""
        while time.monotonic() < self._until:
            self._check(sockets)
            frame = sockets.receive(WAIT)
            if frame is None and sockets.broken:
                break
            message = None if frame is None else wire.from_trainer(frame)
            if isinstance(message, wire.Fin):
                sockets.send(wire.encode(wire.Bye(run=message.run, unstarted=[])))
                raise Over("the run is over")
            if isinstance(message, wire.Reset | wire.Reject):
                raise SentBack
            if message is not None:
                return message
        raise Ended

    @contextmanager
    def joined(self, name: str) -> Iterator[Session]:
        """A session under that name; leaving it breaks its connections. Raises Ended, Over."""
        sockets = GeneratorSockets(self._trainer, name, wire.MAX_CONTROL_BYTES, self._key)
        try:
            yield self._join(name, sockets)
        finally:
            sockets.close()

    def _join(self, name: str, sockets: GeneratorSockets) -> Session:
        hello = _messages.hello("liar", slots=1)
        while not sockets.send(wire.encode(hello)):
            if time.monotonic() > self._until:
                raise Ended
            self._check(sockets)
            time.sleep(WAIT)
        welcome = self._hear(sockets)
        if not isinstance(welcome, wire.Welcome):
            raise Ended
        if not sockets.reaches_data(0.0):
            sockets.open_data(welcome.data_port)
            sockets.reaches_data(1.0)
        task = tasks.create(welcome.task, welcome.params, welcome.source, None)
        classes = ("true", "false")
        ready = _messages.ready(welcome, classes, {"train": [1, 1]}, welcome.fingerprint)
        sockets.send(wire.encode(ready))
        return Session(name, sockets, welcome, task.arrays())

    def leases(self, session: Session) -> list[wire.Grant]:
        """The next that it is granted. Raises Ended, Over."""
        while True:
            message = self._hear(session.sockets)
            if isinstance(message, wire.Grants):
                return message.grants

    def _lie(self, session: Session) -> None:
        while True:
            try:
                for grant in self.leases(session):
                    self.say(session, self._next()(session, grant))
            except SentBack:
                session = self._join(session.name, session.sockets)

    def _next(self) -> Lie:
        """Each lie once, in an order of its own, before one comes again."""
        if not self._lies:
            self._lies = self._rng.sample(LIES, len(LIES))
        return self._lies.pop()

    @staticmethod
    def _begin(session: Session, grant: wire.Grant) -> None:
        """Say that the first record is in hand, as who makes a suspected lease has to."""
        run, record = session.welcome.run, grant.records[0]
        at = wire.Heartbeat(run=run, doing="a lie", lease=grant.lease, record=record, ask=True)
        session.sockets.send(wire.encode(at))
        session.sockets.receive(WAIT)

    @staticmethod
    def say(session: Session, message: Message) -> None:
        if isinstance(message, wire.Fail):
            session.sockets.send(wire.encode(message))
        else:
            header, arrays = message
            session.sockets.push(wire.encode(header), arrays, WAIT)


def main(host: str, port: int, key: Path, seed: int) -> int:
    try:
        Liar(Endpoint(host, port), read_secret(key, GeneratorKey), seed).run()
    except Over as over:
        print(over, flush=True)
        return 0
    print(f"was not put out within {PATIENCE:.0f} s", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
