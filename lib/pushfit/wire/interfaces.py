"""Network interfaces of this host, for messages: which one has an address, and its speed."""

from __future__ import annotations

import fcntl
import socket
import struct
from contextlib import suppress
from pathlib import Path

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface


def interface_of(address: str) -> str:
    """The name of the interface that has the IPv4 `address`; ``""``: none was found."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it has no IPv4 address
                request = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
                if socket.inet_ntoa(answer[20:24]) == address:
                    return name
    return ""


def made_for(interface: str) -> float:
    """Bytes per second of `interface`, as its driver says.

    0: unknown, since it is a virtual interface or the system is not Linux.
    """
    with suppress(OSError, ValueError):
        megabits = int(Path(f"/sys/class/net/{interface}/speed").read_text())
        return max(0, megabits) * 1e6 / 8
    return 0.0
