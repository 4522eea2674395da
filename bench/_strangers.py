"""Strangers at a trainer's ports: raw bytes, nonsense in ZeroMQ's frames, connections left open.

    python -m bench._strangers HOST PORT SECONDS SEED KEY-FILE

The nonsense comes with a key, since nobody would look at it otherwise; all else has no key.
"""

from __future__ import annotations

import random
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import zmq

from pushfit.wire.keys import GeneratorKey, read_secret

GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48)


def _raw(host: str, port: int, rng: random.Random) -> socket.socket | None:
    """A connection with bytes on it that no ZeroMQ peer would send; it stays open."""
    with suppress(OSError):
        stranger = socket.create_connection((host, port), timeout=0.5)
        stranger.sendall(rng.choice([b"", b"GET / HTTP/1.1\r\n\r\n", GREETING]))
        stranger.sendall(rng.randbytes(rng.randrange(1, 4096)))
        return stranger
    return None


def _nonsense(rng: random.Random) -> bytes:
    fields = {
        "type": rng.choice(["hello", "ready", "bye", "data", "lease", "heartbeat", 7, None]),
        "v": rng.choice([1, 0, -1, 2**63]),
        "run": rng.choice(["", "another", "x" * 5000]),
        "slots": rng.choice([-1, 2**40]),
        "unstarted": list(range(rng.randrange(2000))),
    }
    whole = msgspec.msgpack.encode(fields)
    return rng.choice([whole, whole[: len(whole) // 2], rng.randbytes(200), b""])


def main(host: str, port: int, seconds: float, seed: int, key: GeneratorKey) -> None:
    rng, until = random.Random(seed), time.monotonic() + seconds
    context = zmq.Context()
    sockets = []
    for kind, where in ((zmq.DEALER, port), (zmq.PUSH, port + 1)):
        sockets.append(context.socket(kind))
        sockets[-1].curve_serverkey = key.trainer.encode("ascii")
        sockets[-1].curve_publickey = key.public.encode("ascii")
        sockets[-1].curve_secretkey = key.secret.encode("ascii")
        sockets[-1].connect(f"tcp://{host}:{where}")
    kept: list[socket.socket | None] = []
    while time.monotonic() < until:
        if len(kept) < 50:
            kept.append(_raw(host, port + rng.randrange(2), rng))
        for each in sockets:
            with suppress(zmq.Again):
                parts = [_nonsense(rng) for _ in range(rng.randrange(1, 4))]
                each.send_multipart(parts, zmq.NOBLOCK)
        time.sleep(0.02)
    for stranger in kept:
        if stranger is not None:
            stranger.close()
    context.destroy(linger=0)


if __name__ == "__main__":
    HOST, PORT, SECONDS, SEED, KEY = sys.argv[1:]
    main(HOST, int(PORT), float(SECONDS), int(SEED), read_secret(Path(KEY), GeneratorKey))
