"""A peer that speaks ZMTP 3.0 (NULL) by hand, byte by byte: what no ZeroMQ library would send.

python -m tests.support.zmtp PORT COUNT     opens COUNT connections, half mute, until stdin ends
"""

from __future__ import annotations

import resource
import socket
import struct
import sys

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4


def frame(content: bytes, flags: int = 0, size: int | None = None) -> bytes:
    """One frame; `size`: what it says of itself, if not the truth."""
    return struct.pack(">BQ", flags | LONG, len(content) if size is None else size) + content


def ready(kind: bytes, identity: bytes) -> bytes:
    fields = ((b"Socket-Type", kind), (b"Identity", identity))
    body = b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value for name, value in fields
    )
    return frame(b"\x05READY" + body, COMMAND)


def connect(port: int, kind: bytes = b"DEALER", identity: bytes = b"raw") -> socket.socket:
    """A connection that has shaken hands."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=20)
    peer.sendall(GREETING + ready(kind, identity))
    got = 0
    while got < len(GREETING) + 10:
        got += len(peer.recv(4096))
    return peer


def ended(peer: socket.socket) -> bool:
    """Whether the other side has ended the connection; waits for it as long as the timeout."""
    try:
        while peer.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


if __name__ == "__main__":
    port, count = int(sys.argv[1]), int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers = []
    for number in range(count):
        if number % 2:
            peers.append(connect(port, identity=b"%d" % number))
            peers[-1].sendall(frame(b"junk"))
        else:
            peers.append(socket.create_connection(("127.0.0.1", port), timeout=20))
    print("open", flush=True)
    sys.stdin.read()
