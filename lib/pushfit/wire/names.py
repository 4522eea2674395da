"""Names of hosts: whether this host can resolve one, and whether it has IPv6 addresses only.

ZeroMQ resolves a name again at each try to connect, and does not report that a name is unknown. It
uses either the IPv4 or the IPv6 addresses of a name, without a try of the other kind. So the name
is resolved here as well. A thread does it, as a name server that does not answer may take half a
minute.
"""

from __future__ import annotations

import ipaddress
import socket
import threading

AGAIN_SECONDS = 10.0  # seconds between two lookups


class HostName:
    """What is known of `host`, the host part of an address. Only `settle` waits."""

    def __init__(self, host: str) -> None:
        self.host = host.strip("[]")
        self.trouble = ""  # a sentence that says why the name cannot be resolved; "": it can
        self.only_ipv6 = host.startswith("[")
        self._literal = _is_literal(self.host)
        self._next = 0.0
        self._thread: threading.Thread | None = None

    def look(self, now: float) -> None:
        """Start a lookup if one is due. now: monotonic seconds."""
        if self._literal or now < self._next:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._next = now + AGAIN_SECONDS
        self._thread = threading.Thread(target=self._find, name="host-name", daemon=True)
        self._thread.start()

    def settle(self, seconds: float) -> None:
        """Wait for a lookup that is under way, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _find(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.trouble = (
                f"the name {self.host} is not known on this host ({reason}): check how it is "
                "spelt, or give the address of that host instead"
            )
            return
        self.trouble = ""
        self.only_ipv6 = all(family == socket.AF_INET6 for family, *_ in found)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
