"""Names of hosts: whether one is known here, and whether it leads to IPv6 alone.

ZeroMQ looks a name up by itself, again and again, and says nothing of one that nobody knows; and it
takes either IPv4 or IPv6 of a name, never the one that answers. So it is looked up here as well, in
a thread, since a name server that is away may take half a minute to be given up.
"""

from __future__ import annotations

import ipaddress
import socket
import threading

AGAIN_SECONDS = 10.0  # between two looks while there is no answer


class HostName:
    """What is known of `host`, the host of an address. Nothing here waits."""

    def __init__(self, host: str) -> None:
        self.host = host.strip("[]")
        self.trouble = ""  # why it leads nowhere, in words
        self.only_ipv6 = host.startswith("[")
        self._literal = _is_literal(self.host)
        self._next = 0.0
        self._thread: threading.Thread | None = None

    def look(self, now: float) -> None:
        """Look it up if it is time. now: monotonic seconds."""
        if self._literal or now < self._next:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._next = now + AGAIN_SECONDS
        self._thread = threading.Thread(target=self._find, name="host-name", daemon=True)
        self._thread.start()

    def settle(self, seconds: float) -> None:
        """Give a look that is under way so long to end."""
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
