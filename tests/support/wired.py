"""uvicorn's protocol with our limits, around any application, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from pushfit.serving.connections import Connections
from pushfit.serving.metrics import Metrics
from pushfit.serving.protocol import IDLE_SECONDS, Protocol


class Transport(asyncio.Transport):
    """Keeps what is written; `slow` as if the other side read nothing. Closes in the next turn."""

    def __init__(self, host: str = "10.0.0.1") -> None:
        super().__init__({"peername": (host, 4000), "sockname": ("10.0.0.9", 8000)})
        self.written, self.reading, self.ended = bytearray(), True, False
        self.protocol: Protocol | None = None

    def write(self, data: Any) -> None:
        if not self.ended:
            self.written += data

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.ended and self.protocol is not None:
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.ended = True

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        return

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def connect(
    app: Any, connections: Connections | None = None, host: str = "10.0.0.1"
) -> tuple[Protocol, Transport]:
    """A connection to `app`. Call it in an event loop."""
    config = uvicorn.Config(
        app, ws="none", log_config=None, access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
    )  # fmt: skip
    protocol = Protocol(
        connections=Connections(100, 100) if connections is None else connections,
        metrics=Metrics(), config=config,
        server_state=ServerState(), app_state={},
    )  # fmt: skip
    transport = Transport(host)
    transport.protocol = protocol
    protocol.connection_made(transport)
    return protocol, transport


async def settle(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
