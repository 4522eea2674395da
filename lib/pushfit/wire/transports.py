"""The interfaces of both ends of the wire, which carry bytes. `protocol` knows what they mean.

    implementation            trainer's end         generator's end
    ZeroMQ                    `trainer_sockets`     `generator_sockets`
    one process, no network   `in_memory`           `in_memory`

No call blocks without a time limit, and none raises because a peer has left. Times are in seconds.
A **frame** is any object with the buffer interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pushfit.endpoint import Endpoint
from pushfit.wire.admission import Refused
from pushfit.wire.connections import Origin
from pushfit.wire.keys import GeneratorKey

LINGER_MS = 2_000  # the time that the last messages of a generator have to leave at a clean exit

Frame = Any  # bytes, zmq.Frame, a numpy array


class TrainerTransport(Protocol):
    """The trainer's end: it sends and receives control messages, and receives leases.

    refused: connections that were refused before a message came; the caller empties it.
    """

    control_port: int
    data_port: int
    refused: list[Refused]

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach it."""

    @property
    def reach(self) -> str:
        """The flags with which a generator is started to reach this trainer."""

    @property
    def arrival(self) -> str:
        """The address of this host at which the last samples arrived; ``""``: none have."""

    def poll(self, seconds: float) -> tuple[bool, bool]:
        """Wait until a message or a wake-up comes, at most `seconds`.

        Returns (a lease waits, a control message waits).
        """

    def wake(self) -> None:
        """End a `poll` in another thread, or have the next one return at once. Never blocks."""

    def receive_control(self) -> tuple[str, bytes, Origin] | None:
        """(generator, frame, origin) of a control message; None: there is none.

        The frame of a message with another number of frames is ``b""``.
        """

    def receive_data(self) -> tuple[bytes, list[Frame], Origin] | None:
        """(header, array frames, origin) of one lease; None: there is none."""

    def send_control(self, generator: str, frame: bytes) -> bool:
        """Send a control message; False: `generator` is not connected or does not read."""

    def who(self, origin: Origin) -> str:
        """The identity behind a message, in words: its key or, without keys, its address."""

    def strike(self, origin: Origin) -> tuple[str, int]:
        """Count an error of the peer at `origin`. Returns (its label, its recent errors)."""

    def refuse(self, origin: Origin) -> None:
        """End the connection `origin`, and refuse its key from now on."""

    def look_after(self) -> list[str]:
        """Examine the connections; call this once a tick.

        Returns a sentence for each connection that was ended.
        """

    def take_closed(self) -> list[str]:
        """The generators of which a connection closed since the last call.

        Such a generator may have another connection.
        """

    def revoked(self) -> list[str]:
        """End the connections whose key is not admitted any more. Returns the names of the keys."""

    def close(self) -> None:
        """Close. The last messages sent have a moment to leave."""


class GeneratorTransport(Protocol):
    """A generator's end of the connections to one trainer.

    broken: a connection closed since `settle`, so the messages under way are lost.
    """

    broken: bool

    def settle(self) -> None:
        """Note that a session begins: connections that closed before it do not matter."""

    def trouble(self) -> str:
        """A sentence that says why the trainer does not admit this generator; ``""``: it may."""

    def unresolved(self, now: float) -> str:
        """A sentence that says why the trainer's name cannot be resolved; ``""``: it can.

        now: monotonic seconds.
        """

    def look_after(self) -> None:
        """Examine the connections; call this between samples."""

    def wait(self, seconds: float) -> None:
        """Wait until a control message has come, at most `seconds`."""

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """The next control message; None: none came within `seconds`."""

    def send(self, frame: bytes) -> bool:
        """Send a control message. Returns False if the trainer is not connected."""

    def open_data(self, port: int) -> None:
        """Connect to the trainer's data port; an earlier connection to it is closed."""

    def reaches_data(self, seconds: float) -> bool:
        """Return whether the data port is connected, or will be within `seconds`."""

    def push(self, header: bytes, arrays: Sequence[Frame], seconds: float) -> bool:
        """Send one lease. Returns False if there was no room for it within `seconds`.

        The arrays must not be written to afterwards.
        """

    def leaving(self) -> bool:
        """Return whether a lease that was pushed is still on its way."""

    def drop_data(self, *, keep: bool = False) -> None:
        """Close the connection to the data port.

        keep: the leases pushed still count, and have a moment to leave.
        """

    def close(self) -> None:
        """Close. The last leases and messages have LINGER_MS to leave."""


class GeneratorTransports(Protocol):
    """Makes the ends of a generator, one for each trainer of its list."""

    def connect(self, trainer: Endpoint, name: str, key: GeneratorKey | None) -> GeneratorTransport:
        """The end of the connections to `trainer`, which calls it `name`.

        key: None if the trainer has no keys.
        """

    def close(self) -> None:
        """Free what the ends share. Call this after all of them are closed."""
