"""The trainer's end of a live stream while it is open.

sockets bound ─▶ dispatcher running ─▶ address announced ─▶ local generators started
"""

from __future__ import annotations

import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from pushfit import endpoint
from pushfit.dispatch.dispatcher import HASTY_SECONDS, Dispatcher
from pushfit.dispatch.exchange import Exchange
from pushfit.endpoint import Endpoint
from pushfit.errors import DataError
from pushfit.fleet.local import LocalFleet
from pushfit.host import temporary_folder
from pushfit.runs import outputs
from pushfit.settings.stream import StreamSettings
from pushfit.wire import keys
from pushfit.wire.admission import Admission
from pushfit.wire.transports import TrainerTransport


class Listening:
    """The sockets and the `dispatcher`, which work from the constructor until `close`.

    address: what `--bind` says.
    sockets: the transport, which is bound already.
    admission: the keys that are admitted; None: no keys are used.
    announce: a file that tells generators the address meanwhile; None: no file.
    timeout: as `Dispatcher` takes it.
    """

    def __init__(
        self,
        settings: StreamSettings,
        address: Endpoint,
        sockets: TrainerTransport,
        exchange: Exchange,
        admission: Admission | None,
        announce: Path | None,
        timeout: float,
    ) -> None:
        self.port = sockets.control_port
        self._settings, self._address = settings, address
        self._admission, self._announce = admission, announce
        self._fleet: LocalFleet | None = None
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self.dispatcher = Dispatcher(sockets, exchange, timeout=timeout)
        self.dispatcher.start()

    def __str__(self) -> str:
        who = "anyone"
        if self._settings.keys:
            who = f"generators with a key in {self._settings.keys}"
        elif self._address.is_loopback:
            who = "generators of this host"
        return f"listening at tcp://{self._address.host}:{self.port} for {who}"

    @property
    def address(self) -> str:
        """Where generators connect to."""
        everywhere = self._address.host in endpoint.EVERYWHERE
        host = socket.gethostname() if everywhere else self._address.host
        return f"tcp://{host}:{self.port}"

    def announce(self) -> None:
        """Write the file with the address, if one was asked for. Raises OutputError."""
        if self._announce is not None:
            outputs.write_text(self._announce, f"{self.address}\n")

    def start_generators(self, task: str) -> None:
        """Start the local generators. If keys are used, they get a key for this run only.

        task: the file of a user task; "": the task is built in.
        """
        key: Path | None = None
        if self._admission is not None:
            self._private = temporary_folder("the key of the local generators")
            key = Path(self._private.name) / "local.key"
            pair, trainer = keys.new_pair("local"), self._admission.trainer.public
            keys.write_new(key, keys.GeneratorKey("local", pair.public, pair.secret, trainer))
            self._admission.admit_local(keys.raw(pair.public))
        self._fleet = LocalFleet(
            self._settings.generators,
            f"tcp://{self._address.from_here}:{self.port}",
            Path(self._settings.links),
            self._fleet_ended,
            key=key,
            task=task,
        )

    def _fleet_ended(self, code: int) -> None:
        if code:
            self.dispatcher.abort(
                DataError("the local generators have ended with an error: their messages say why")
            )

    def close(self, *, done: bool, reason: str) -> None:
        """End the run for the fleet."""
        if self._announce is not None:
            with suppress(OSError):  # the folder may be gone, which must not fail the run's end
                self._announce.unlink(missing_ok=True)
        self.dispatcher.close(done=done, reason=reason)

    def close_generators(self, *, done: bool) -> None:
        """End the local generators. Call `close` first."""
        if self._fleet is not None:
            # Nobody needs what a local generator still holds, and a person waits.
            self._fleet.close(*([] if done else [HASTY_SECONDS]))
        if self._private is not None:
            self._private.cleanup()
