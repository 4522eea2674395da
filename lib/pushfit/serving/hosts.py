"""The host names that requests may address: a foreign web page must not reach this server.

With DNS rebinding, a page lets its own name resolve to our address, and the browser then takes this
server for the page's own. The page needs a public name, and asks at our port directly, which the
browser appends to the name. So, if no names are given:

- These names are accepted: IP addresses, localhost, the name of this machine, and names that nobody
  can own in public, namely those without a dot (serve:8000, as in containers) or below .localhost,
  .local, .internal or .svc.
- A name without our port is accepted, since a proxy asks by its own name, and a container's port is
  mapped.
- A foreign name with our port is refused, and the answer says how to allow it.

At ports 80 and 443 browsers leave the port out, so that a proxy cannot be told apart from them:
names must be given there. If names are given, only they are accepted, besides IP addresses and
localhost, which probes use.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pushfit.errors import ConfigError
from pushfit.serving.refusals import Refusal
from pushfit.text import printable

ANY = "*"
OURS = (".localhost", ".local", ".internal", ".svc")
_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?")


def parse(names: Sequence[str]) -> tuple[str, ...]:
    """`--allowed-host`, in lower case. Raises ConfigError."""
    found = tuple(name.lower().rstrip(".") for name in names)
    for name in found:
        if name != ANY and not _NAME.fullmatch(name) and not _is_address(name.strip("[]")):
            raise ConfigError(
                f"--allowed-host {printable(name)!r} is not the name of a host: write it without "
                "http:// and port, such as digits.example.org, *.example.org, or * for any"
            )
    return found


def is_taken(host: str, port: int, names: Sequence[str]) -> bool:
    """Return whether a request with the header `Host: host` is for this server at `port`."""
    if ANY in names or not host:  # every browser sends the header
        return True
    if (found := _HOST.fullmatch(host)) is None:
        return False
    name, own_port = found[1].lower().rstrip("."), int(found[2] or 0) or None
    if name == "localhost" or _is_address(name.strip("[]")):
        return True
    if names:
        return any(
            name.endswith(each[1:]) if each.startswith("*.") else name == each for each in names
        )
    if "." not in name or name.endswith(OURS) or name == socket.gethostname().lower():
        return True
    return own_port != port


class Hosts:
    """ASGI middleware that checks the host name. names: from `parse`. Raises Refusal (421)."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            port = (scope.get("server") or ("", 0))[1] or 0
            if not is_taken(host, port, self._names):
                name = printable(host.partition(":")[0][:100])
                raise Refusal(
                    421,
                    f"this server does not answer to the name {name}: if it is a name of this "
                    "server, start it with --allowed-host and that name",
                )
        await self._app(scope, receive, send)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
