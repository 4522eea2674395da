"""Addresses as people type them: ``tcp://HOST:PORT``.

tcp://gpu-box:12001      a name          tcp://[fe80::1]:12001    IPv6, in brackets
tcp://0.0.0.0:12001      to listen on every interface (`*` is the same)
tcp://127.0.0.1:0        to listen on any free port (`*` is the same)
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from pushfit.errors import ConfigError

LARGEST_PORT = 65_535
EVERYWHERE = frozenset({"*", "0.0.0.0", "[::]"})
_SHAPE = re.compile(
    r"tcp://(?P<host>\*|\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+):(?P<port>\*|[0-9]+)", re.ASCII
)
_BARE = re.compile(r"[\w.-]+", re.ASCII)


class Endpoint(msgspec.Struct, frozen=True):
    """One TCP address. `host` keeps the brackets of an IPv6 address; port 0 is any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port or '*'}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it. The only such name is `localhost`."""
        try:
            return ipaddress.ip_address(self.host.strip("[]").partition("%")[0]).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def from_here(self) -> str:
        """The host at which this machine reaches a socket that is bound here."""
        return "127.0.0.1" if self.host in EVERYWHERE else self.host


def parse(text: str, *, bind: bool = False) -> Endpoint:
    """The endpoint that `text` names.

    bind: True for an address to listen at, where `*` and port 0 are allowed.
    Raises ConfigError with what is wrong and an example that works.
    """
    example = "tcp://0.0.0.0:12001" if bind else "tcp://gpu-box:12001"
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is not an address{_why(text, example)}")
    host = match["host"]
    port = 0 if match["port"] == "*" else int(match["port"])
    if port > LARGEST_PORT:
        raise ConfigError(f"{text!r}: port {port} is above {LARGEST_PORT}; write e.g. {example}")
    if not bind and port == 0:
        raise ConfigError(f"{text!r} names no port to connect to; write e.g. {example}")
    if not bind and host in EVERYWHERE:
        raise ConfigError(
            f"{text!r}: {host} is an address to listen at, not one to connect to; "
            f"name the trainer's host, e.g. {example}"
        )
    return Endpoint(host, port)


def _why(text: str, example: str) -> str:
    """What is wrong with an address that does not parse, with an example that works."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        rest = text
    elif scheme != "tcp":
        return f": only tcp:// is supported; write e.g. {example}"
    host, colon, port = rest.rpartition(":")
    if colon and port.isdecimal() and _BARE.fullmatch(host) and not separator:
        return f", did you mean 'tcp://{rest}'?"
    if _BARE.fullmatch(rest):
        return f": it has no port, did you mean 'tcp://{rest}:12001'?"
    return f"; write e.g. {example}"
