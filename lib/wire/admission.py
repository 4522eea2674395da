"""Who is let in, decided while the run goes on. Answers ZeroMQ's questions (ZAP, RFC 27).

ZeroMQ asks once for each connection, on either socket, before a single byte of it is handed on.
The folder of keys is looked at live: a key that is made or revoked during the run counts at once.

pyzmq's own authenticator would do most of this, but in a thread of its own, without the address
of who was refused, and with `assert` on what it reads. This one is asked in the trainer's poll.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lib.errors import ConfigError
from lib.wire.keys import KeyFolder, KeyPair

LOCAL = "local generators"  # not a legal name of a key file, so that none can pose as them

log = logging.getLogger("pushfit.trainer")


class Admission:
    """The keys that a run admits: those in `folder`, and those of its own local generators."""

    def __init__(self, folder: KeyFolder) -> None:
        self.folder = folder
        self.trainer: KeyPair = folder.trainer
        self.refused: dict[str, None] = {}  # names that erred too often, for the rest of the run
        self.refusals: list[str] = []  # addresses turned away since the last look
        self._local: bytes | None = None
        self._names: dict[bytes, str] = {}
        self._seen: int | None = None  # when the folder was changed, as of the last look
        self._admitted: set[str] = set()
        self._listed: set[str] = set()
        self._broken: set[str] = set()
        self.refresh()

    def admit_local(self, public: bytes) -> None:
        """Let in this run's own generators, too; `public` is 32 bytes."""
        self._local = public

    def refresh(self) -> None:
        """Read the folder again, if it changed."""
        if not self._changed():
            return
        names: dict[bytes, str] = {}
        self._listed = set()
        try:
            self._seen = self.folder.admitted.stat().st_mtime_ns
            for name in self.folder.names(self.folder.admitted):
                self._listed.add(name)
                try:
                    names[self.folder.public(name)] = name
                except FileNotFoundError:
                    continue  # revoked at this moment
                except (ConfigError, OSError) as error:
                    if name not in self._broken:
                        self._broken.add(name)
                        log.warning("the key of %s is not admitted: %s", name, error)
        except OSError as error:  # closed rather than open: who is in stays out from now on
            log.warning("the keys in %s cannot be read (%s)", self.folder.path, error.strerror)
        self._names, self._admitted = names, set(names.values())

    def admits(self, name: str) -> bool:
        """Whether a connection that was let in as `name` may stay, as of the last refresh."""
        if name == LOCAL:
            return self._local is not None
        return name in self._admitted and name not in self.refused

    def name_of(self, public: bytes) -> str | None:
        """Whom this key belongs to, if it is admitted now."""
        if self._local is not None and public == self._local:
            return LOCAL
        self.refresh()
        name = self._names.get(public)
        return None if name in self.refused else name

    def _changed(self) -> bool:
        """Whether the folder is another than at the last look; a clock alone is too coarse."""
        try:
            if self.folder.admitted.stat().st_mtime_ns != self._seen:
                return True
            return set(self.folder.names(self.folder.admitted)) != self._listed
        except OSError:
            return True

    def answer(self, request: Sequence[bytes]) -> list[bytes]:
        """The reply to a ZAP request: version, id, domain, address, identity, CURVE, key."""
        version, number, *rest = request
        name = None
        if len(rest) == 5 and rest[3] == b"CURVE":
            name = self.name_of(rest[4])
        if name is None:
            self.refusals.append(rest[1].decode("ascii", "replace") if len(rest) > 1 else "?")
            return [version, number, b"400", b"this key is not admitted", b"", b""]
        return [version, number, b"200", b"OK", name.encode("ascii"), b""]
