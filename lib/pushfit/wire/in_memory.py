"""Both ends of the wire in one process, without sockets: for tests, fuzzing and simulation.

    trainer = InMemoryTrainer()
    Exchange(trainer, …)                                     in place of `TrainerSockets`
    Worker(…, transports=InMemoryGenerators(trainer))        in place of `GeneratorSockets`

Messages are delivered whole and in order, as by ZeroMQ. `disconnect` simulates a lost connection. A
test may put messages of any sender, also malformed ones, into `control` and `data` by hand.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from pushfit.endpoint import Endpoint
from pushfit.wire.admission import Refused
from pushfit.wire.connections import Origin
from pushfit.wire.keys import GeneratorKey
from pushfit.wire.transports import Frame

ADDRESS = "127.0.0.1"
WAITING_LEASES = 16  # leases in `data` at which a generator has to wait


class InMemoryTrainer:
    """A `TrainerTransport`.

    waits: `poll` waits for messages; False: it returns at once, so that the caller sets the pace.

    control, data: messages that have not been received yet.
    revoking: names of keys that the next `revoked` returns.
    """

    def __init__(self, *, waits: bool = True) -> None:
        self.control_port, self.data_port = 1, 2
        self.loopback, self.arrival = True, ADDRESS
        self.reach = f"--connect tcp://{ADDRESS}:{self.control_port}"
        self.refused: list[Refused] = []
        self.control: deque[tuple[str, bytes, Origin]] = deque()
        self.data: deque[tuple[bytes, list[Frame], Origin]] = deque()
        self.strikes: dict[Origin, int] = {}
        self.revoking: list[str] = []
        self.news = threading.Condition()  # notified when a message comes or is taken, or at an end
        self._waits, self._woken, self._closed = waits, False, False
        self._ends: dict[str, InMemoryGenerator] = {}
        self._gone: list[str] = []

    def connect(self, end: InMemoryGenerator) -> bool:
        """Connect `end`. Returns False if the trainer has closed."""
        with self.news:
            if not self._closed:
                self._ends[end.name] = end
            return not self._closed

    def disconnect(self, name: str) -> None:
        """Close the connection of the generator called `name`."""
        with self.news:
            if (end := self._ends.pop(name, None)) is not None:
                end.broken = True
                self._gone.append(name)
                self.news.notify_all()

    def connected(self, name: str) -> bool:
        return name in self._ends

    def poll(self, seconds: float) -> tuple[bool, bool]:
        with self.news:
            if self._waits:
                self.news.wait_for(lambda: self.data or self.control or self._woken, seconds)
            self._woken = False
            return bool(self.data), bool(self.control)

    def wake(self) -> None:
        with self.news:
            self._woken = True
            self.news.notify_all()

    def receive_control(self) -> tuple[str, bytes, Origin] | None:
        with self.news:
            return self.control.popleft() if self.control else None

    def receive_data(self) -> tuple[bytes, list[Frame], Origin] | None:
        with self.news:
            self.news.notify_all()  # there is room for another lease
            return self.data.popleft() if self.data else None

    def send_control(self, generator: str, frame: bytes) -> bool:
        with self.news:
            if (end := self._ends.get(generator)) is None:
                return False
            end.inbox.append(frame)
            self.news.notify_all()
            return True

    def who(self, origin: Origin) -> str:
        return origin.user or f"the address {ADDRESS}"

    def strike(self, origin: Origin) -> tuple[str, int]:
        self.strikes[origin] = self.strikes.get(origin, 0) + 1
        return f"{ADDRESS}:{origin.descriptor}", self.strikes[origin]

    def refuse(self, origin: Origin) -> None:
        self.strikes.pop(origin, None)

    def look_after(self) -> list[str]:
        return []

    def take_closed(self) -> list[str]:
        gone, self._gone = self._gone, []
        return gone

    def revoked(self) -> list[str]:
        gone, self.revoking = self.revoking, []
        return gone

    def close(self) -> None:
        with self.news:
            self._closed = True
            for name in list(self._ends):
                self.disconnect(name)


class InMemoryGenerator:
    """A `GeneratorTransport` to `trainer`, which calls it `name`.

    user: the name of its key; ``""``: it has none.
    """

    def __init__(self, trainer: InMemoryTrainer, name: str, user: str = "") -> None:
        self.name, self.broken = name, False
        self.inbox: deque[bytes] = deque()
        self._trainer, self._news = trainer, trainer.news
        self._control, self._data = Origin(1, user, False), Origin(2, user, True)
        trainer.connect(self)

    def settle(self) -> None:
        if not self._trainer.connected(self.name):
            self._trainer.connect(self)
        self.broken = False

    def trouble(self) -> str:
        return ""

    def unresolved(self, now: float) -> str:
        return ""

    def look_after(self) -> None:
        return

    def wait(self, seconds: float) -> None:
        self._until(lambda: bool(self.inbox), seconds)

    def receive(self, seconds: float = 0.0) -> bytes | None:
        with self._news:
            return self.inbox.popleft() if self._until(lambda: bool(self.inbox), seconds) else None

    def send(self, frame: bytes) -> bool:
        with self._news:
            if not self._trainer.connected(self.name):
                return False
            self._trainer.control.append((self.name, frame, self._control))
            self._news.notify_all()
            return True

    def open_data(self, port: int) -> None:
        return

    def reaches_data(self, seconds: float) -> bool:
        return self._trainer.connected(self.name)

    def push(self, header: bytes, arrays: Sequence[Frame], seconds: float) -> bool:
        waiting = self._trainer.data
        with self._news:
            if not self._until(lambda: len(waiting) < WAITING_LEASES, seconds):
                return False
            if not self._trainer.connected(self.name):
                return False
            frames = [bytes(memoryview(array)) for array in arrays]
            waiting.append((header, list(frames), self._data))
            self._news.notify_all()
            return True

    def leaving(self) -> bool:
        return False

    def drop_data(self, *, keep: bool = False) -> None:
        return

    def close(self) -> None:
        self._trainer.disconnect(self.name)

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        with self._news:
            return self._news.wait_for(true, seconds) if seconds > 0 else true()


class InMemoryGenerators:
    """`GeneratorTransports` whose ends are all connected to `trainer`, whatever the address."""

    def __init__(self, trainer: InMemoryTrainer) -> None:
        self._trainer = trainer

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> InMemoryGenerator:
        return InMemoryGenerator(self._trainer, name, key.name if key else "")

    def close(self) -> None:
        return
