"""Which connections a trainer admits: the answers to ZeroMQ's questions (ZAP, RFC 27).

ZeroMQ asks once for each connection to either socket, before it passes on the first message of it.
The folder of keys is read during the run: a key that is made or revoked takes effect at once.

The authenticator of pyzmq would do most of this, but in a thread of its own, without the address of
a refused peer, and with `assert` on what it reads. This one is asked in the trainer's poll.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pushfit.wire.keys import KeyFolder, KeyPair
from pushfit.wire.listed_keys import ListedKeys

LOCAL = "local generators"  # no key file can have this name, so no other key can pose as them

BROKE_OFF = "it broke the handshake off: it has no key, or is not a generator"


class Refused(NamedTuple):
    """A connection that was refused: its address (``""`` or ``"?"``: unknown), and the reason."""

    address: str
    why: str


class Admission:
    """The keys that a run admits: those in `folder`, and the key of its own local generators.

    refused: names of keys that are refused for the rest of the run, after too many errors.
    refusals: connections that were refused; the caller empties it.
    """

    def __init__(self, folder: KeyFolder) -> None:
        self.folder = folder
        self.trainer: KeyPair = folder.trainer
        self.refused: dict[str, None] = {}
        self.refusals: list[Refused] = []
        self._local: bytes | None = None
        self._admitted = ListedKeys(folder, folder.admitted)
        self._revoked = ListedKeys(folder, folder.revoked)
        self.refresh()

    def admit_local(self, public: bytes) -> None:
        """Admit this run's own generators as well. public: the 32 bytes of their public key."""
        self._local = public

    def refresh(self) -> None:
        """Read the folder again if it has changed."""
        self._admitted.refresh()
        self._names = set(self._admitted.names.values())

    def admits(self, name: str) -> bool:
        """Return whether a connection admitted as `name` may stay, as of the last refresh."""
        if name == LOCAL:
            return self._local is not None
        return name in self._names and name not in self.refused

    def name_of(self, public: bytes) -> str | None:
        """The name of the key `public` (32 bytes); None: it is not admitted now."""
        if self._local is not None and public == self._local:
            return LOCAL
        self.refresh()
        name = self._admitted.names.get(public)
        return None if name in self.refused else name

    def _why_not(self, public: bytes) -> str:
        """Why a connection with the key `public` is not admitted."""
        name = self._admitted.names.get(public)
        if name in self.refused:
            return f"its key, {name}, is refused for the rest of this run"
        self._revoked.refresh()
        if name := self._revoked.names.get(public):
            return f"its key, {name}, was revoked"
        return "its key is not admitted"

    def answer(self, request: Sequence[bytes]) -> list[bytes]:
        """The reply to a ZAP request.

        request: version, id, domain, address, identity, mechanism (CURVE), public key.
        """
        version, number, *rest = request
        name = None
        if len(rest) == 5 and rest[3] == b"CURVE":
            name = self.name_of(rest[4])
        if name is None:
            address = rest[1].decode("ascii", "replace") if len(rest) > 1 else "?"
            self.refusals.append(Refused(address, self._why_not(rest[4] if len(rest) > 4 else b"")))
            return [version, number, b"400", b"this key is not admitted", b"", b""]
        return [version, number, b"200", b"OK", name.encode("ascii"), b""]
