"""How bytes travel, as either end sees it; what they mean is `protocol`'s affair.

    implementation            trainer's end         generator's end
    ZeroMQ                    `trainer_sockets`     `generator_sockets`
    one process, no network   `in_memory`           `in_memory`

No call here blocks without a time limit, and none raises for a peer that has gone. Times are in
seconds. A **frame** is anything with the buffer interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pushfit.endpoint import Endpoint
from pushfit.wire.admission import Refused
from pushfit.wire.connections import Origin
from pushfit.wire.keys import GeneratorKey

LINGER_MS = 2_000  # how long a clean exit of a generator waits for its last messages to leave

Frame = Any  # bytes, zmq.Frame, a numpy array


class TrainerTransport(Protocol):
    """The trainer's end: control messages both ways, leases one way.

    refused: who was turned away before a message came; the caller empties it.
    """

    control_port: int
    data_port: int
    refused: list[Refused]

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""

    @property
    def reach(self) -> str:
        """The flags that a generator is started with to reach this trainer."""

    @property
    def arrival(self) -> str:
        """The address of this host that samples came in by last, or ``""``."""

    def poll(self, seconds: float) -> tuple[bool, bool]:
        """Wait until a message or a wake-up comes, at most `seconds`: is there (data, control)?"""

    def wake(self) -> None:
        """End a poll that runs in another thread, or let the next one not wait. Never blocks."""

    def receive_control(self) -> tuple[str, bytes, Origin] | None:
        """(generator, frame, origin), or None when there is none. Malformed envelopes give b""."""

    def receive_data(self) -> tuple[bytes, list[Frame], Origin] | None:
        """(header, array frames, origin) of one lease, or None when there is none."""

    def send_control(self, generator: str, frame: bytes) -> bool:
        """False when that generator is not connected (any more), or does not read."""

    def who(self, origin: Origin) -> str:
        """Whose message it is, whatever its sender calls itself: a key, else an address."""

    def strike(self, origin: Origin) -> tuple[str, int]:
        """Count an error of the peer behind `origin`. Returns (who it is, its errors lately)."""

    def refuse(self, origin: Origin) -> None:
        """End the connection that a message came over; its key is refused from now on."""

    def look_after(self) -> list[str]:
        """To be called once a tick. Returns a sentence for each connection that was ended."""

    def take_closed(self) -> list[str]:
        """Generators of which a connection closed since the last call; they may have another."""

    def revoked(self) -> list[str]:
        """Names of keys that are connected and admitted no more; their connections are ended."""

    def close(self) -> None:
        """Close; what was sent last has a moment to leave."""


class GeneratorTransport(Protocol):
    """A generator's end of the way to one trainer.

    broken: a connection closed since `settle`, so what was under way is lost.
    """

    broken: bool

    def settle(self) -> None:
        """A session begins: what happened to connections before it is of no concern."""

    def trouble(self) -> str:
        """Why the trainer does not let this generator in, in words; ``""`` while it may."""

    def unresolved(self, now: float) -> str:
        """Why the trainer's name leads to no address, in words; ``""`` where it does."""

    def look_after(self) -> None:
        """See what became of the connections; called between samples."""

    def wait(self, seconds: float) -> None:
        """Until a control message has come, at most `seconds`."""

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """The next control message, waiting at most `seconds`."""

    def send(self, frame: bytes) -> bool:
        """False when the trainer is not connected."""

    def open_data(self, port: int) -> None:
        """Connect to the trainer's data port, anew where that was done before."""

    def reaches_data(self, seconds: float) -> bool:
        """The data port is connected, or will be within `seconds`."""

    def push(self, header: bytes, arrays: Sequence[Frame], seconds: float) -> bool:
        """Send one lease; False when the way was full for all of `seconds`.

        The arrays must not be written to afterwards.
        """

    def leaving(self) -> bool:
        """What was pushed is still on its way."""

    def drop_data(self, *, keep: bool = False) -> None:
        """Leave the data port. keep: what was pushed still counts, and has a moment to leave."""

    def close(self) -> None:
        """Close; what was pushed and said last has LINGER_MS to leave."""


class GeneratorTransports(Protocol):
    """Makes a generator's ends, one for each trainer of its list."""

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> GeneratorTransport:
        """An end that is called `name` by the trainer. key: None where the trainer has no keys."""

    def close(self) -> None:
        """After all ends that were made are closed."""
