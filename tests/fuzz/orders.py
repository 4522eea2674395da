"""What a trainer says to a generator, damaged: the generator works, or ends with a sentence.

    python -m tests.fuzz.orders 100000 [seed]

A real worker with fake sockets is given the messages of a trainer, by turns as they should be, with
a value changed, or with bytes changed. It may do what it is told, or raise a PushFitError.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from pushfit import tasks
from pushfit.endpoint import Endpoint
from pushfit.errors import PushFitError
from pushfit.generator.worker import Worker
from pushfit.tasks import compatibility
from pushfit.wire import protocol as wire
from pushfit.wire.keys import GeneratorKey
from tests.fuzz.files import mutated
from tests.fuzz.machine import VALUES
from tests.support.fakes import NumberTask, write_numbers

TRAINER = Endpoint("127.0.0.1", 1)
PATCHES = {"train": 2, "val": 1}
RECORDS = {"train": 12, "val": 3}
NAMES = ("number", "../x", "/etc/passwd", "os:system", "x.py", "a\x00b", "run", "another")
NESTED: tuple[Any, ...] = (
    {"side": 2**40},
    {"side": -1},
    {"side": [[]]},
    {"train": 2**31},
    [0] * 99,
)
MOST_WAITS = 4  # for a trainer that has nothing more to say, before the worker is told to end


def changed(told: Any, rng: random.Random) -> Any:
    """`told` with one value in it replaced, at any depth; or a field left out, or one too many."""
    keys = list(told) if isinstance(told, dict) else list(range(len(told)))
    if not keys:
        return rng.choice(VALUES)
    key = rng.choice(keys)
    inner = told[key]
    if isinstance(inner, (dict, list)) and inner and rng.random() < 0.7:
        told[key] = changed(inner, rng)
    elif rng.random() < 0.1:
        del told[key]
    else:
        told[key] = rng.choice(rng.choice((VALUES, NAMES, NESTED)))
    return told


def damaged(message: wire.Message, rng: random.Random) -> bytes:
    """`message` as bytes; something is wrong with every fifth."""
    frame, how = wire.encode(message), rng.random()
    if how < 0.8:
        return frame
    if how < 0.95:
        try:
            return msgspec.msgpack.encode(changed(msgspec.msgpack.decode(frame), rng))
        except OverflowError:
            return frame
    return mutated(frame, rng)


class FakeTrainer:
    """A trainer, in place of a generator's sockets."""

    def __init__(self, rng: random.Random) -> None:
        self.broken = False
        self.worker: Worker | None = None
        self.leases = 0  # that came back
        self._rng, self._said, self._waits, self._granted = rng, list[bytes](), 0, 0

    def _say(self, message: wire.Message) -> None:
        self._said.append(damaged(message, self._rng))

    def send(self, frame: bytes) -> bool:
        """The generator says something, which must be of the protocol; the trainer answers."""
        message, rng = wire.from_generator(frame), self._rng
        if isinstance(message, wire.Hello):
            self._say(
                wire.Welcome(
                    run="run", task="number", params={"side": 2}, seed=7, patches=PATCHES,
                    data_port=2, heartbeat=0.5, silence=5.0, expiry=30.0,
                    source=compatibility.source_of(NumberTask),
                )
            )  # fmt: skip
        elif isinstance(message, wire.Heartbeat) and message.ask:
            self._say(wire.Alive(run="run", lease=message.lease, record=message.record))
        elif isinstance(message, wire.Ready):
            for _ in range(rng.randrange(1, 4)):
                self._say(wire.Grants(run="run", grants=[self._grant() for _ in range(2)]))
            others = wire.Reset(run="run"), wire.Reject(reason="no"), wire.Alive(run="other")
            if rng.random() < 0.2:
                self._say(rng.choice(others))
        elif isinstance(message, wire.Fail):
            self._came_back()
        return True

    def _came_back(self) -> None:
        self._granted -= 1
        if not self._granted:
            self._say(wire.Fin(run="run", done=True, reason="over"))

    def _grant(self) -> wire.Grant:
        rng, split = self._rng, self._rng.choice(("train", "val"))
        self._granted += 1
        records = [rng.randrange(RECORDS[split]) for _ in range(rng.randrange(1, 4))]
        bad, careful = [rng.randrange(RECORDS[split])], rng.random() < 0.2
        return wire.Grant(rng.randrange(100), 1, split, 0, 5, records, bad, careful)

    def receive(self, seconds: float = 0.0) -> bytes | None:
        if self._said:
            return self._said.pop(0)
        if seconds:
            self.wait(seconds)
        return None

    def wait(self, seconds: float) -> None:
        self._waits += 1
        if self._waits > MOST_WAITS and self.worker is not None:
            self.worker._stop.by = 0.0

    def push(self, header: bytes, arrays: list[memoryview], seconds: float) -> bool:
        wire.data_header(header)
        self.leases += 1
        self._came_back()
        return True

    def reaches_data(self, seconds: float) -> bool:
        return True

    def trouble(self) -> str:
        return ""

    def unresolved(self, now: float) -> str:
        return ""

    def leaving(self) -> bool:
        return False

    def settle(self) -> None:
        return

    def open_data(self, port: int) -> None:
        return

    def drop_data(self, *, keep: bool = False) -> None:
        return

    def look_after(self) -> None:
        return

    def close(self) -> None:
        return


class Only:
    """Transports that all lead to one trainer."""

    def __init__(self, trainer: FakeTrainer) -> None:
        self._trainer = trainer

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> FakeTrainer:
        return self._trainer

    def close(self) -> None:
        return


def one_input(rng: random.Random, links: Path) -> tuple[str, int]:
    """Returns (what the worker raised, or how it ended; leases that it made)."""
    trainer = FakeTrainer(rng)
    worker = trainer.worker = Worker({TRAINER: None}, links, transports=Only(trainer))
    try:
        worker.run()
    except PushFitError as error:
        assert str(error) and len(str(error)) < 10_000
        return type(error).__name__, trainer.leases
    return "finished" if worker.finished else "told to end", trainer.leases


def fuzz(count: int, seed: int) -> Counter[str]:
    """How `count` runs ended. Raises what escapes."""
    came: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(tasks.TASKS, number="tests.support.fakes:NumberTask"),
    ):
        links = write_numbers(Path(folder), RECORDS["train"], RECORDS["val"])
        (links / "train" / "odd" / "001.txt").write_text("bad")
        for number in range(count):
            try:
                how, leases = one_input(random.Random(f"{seed} {number}"), links)
            except BaseException:
                print(f"input {number} of seed {seed}", file=sys.stderr)
                raise
            came[how] += 1
            came["leases"] += leases
    return came


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
