"""Key files, which say who may connect: a pair of CURVE keys for the trainer and each generator.

    pushfit keys make NAME …      at the trainer; copy keys/NAME.key to that host
    pushfit keys list
    pushfit keys revoke NAME …    takes effect at once, also in a run that is under way

    keys/                 0700: the trainer's folder, --keys DIR
      trainer.key         0600: the trainer's pair
      NAME.key            0600: what a generator needs, --key FILE: its pair and the trainer's
                          public key. Any number of processes and hosts may use the same file
      admitted/NAME.pub   the public keys that the trainer admits
      revoked/NAME.pub    the public keys that it does not admit any more. They are kept, so that no
                          name is used twice

The files are JSON. A file appears whole and with its mode, so there is no moment at which others
could read a secret. A secret that others can read is refused, with the command that corrects this.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import zmq
from zmq.utils import z85

from pushfit import container
from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError

MAKE = "pushfit keys make NAME"
MAX_FILE_BYTES = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
IS_TEMPORARY = re.compile(r"\..*\.\d+\.tmp", re.ASCII)  # the names that `write_new` uses

Z85 = Annotated[str, msgspec.Meta(min_length=40, max_length=40)]
Label = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `admitted/NAME.pub`. public: 40 characters of Z85."""

    name: Label
    public: Z85


class KeyPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `trainer.key`. public, secret: 40 characters of Z85 each."""

    name: Label
    public: Z85
    secret: Z85

    def __repr__(self) -> str:  # a secret must not come into a log or a traceback
        return f"{type(self).__name__}({self.name!r})"


class GeneratorKey(KeyPair, frozen=True, forbid_unknown_fields=True):
    """The content of `NAME.key`, which a generator is given. trainer: the trainer's public key."""

    trainer: Z85

    __repr__ = KeyPair.__repr__


F = TypeVar("F", bound=msgspec.Struct)


def new_pair(name: str) -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(name, public.decode("ascii"), secret.decode("ascii"))


def raw(public: str) -> bytes:
    """The 32 bytes of a public key in Z85. Raises ValueError if `public` is not a key."""
    try:
        return z85.decode(public)
    except (KeyError, struct.error, UnicodeEncodeError) as error:
        raise ValueError("not a key in Z85") from error


# -- files --------------------------------------------------------------------------------------


def read_secret(path: Path, kind: type[F]) -> F:
    """The key file at `path`. Raises ConfigError if others can read it, or it is not a key file."""
    try:
        content = _read(path, private=True)
    except OSError as error:
        hint = ""
        with suppress(OSError):
            found = path.stat()
            hint = container.key_owner(found.st_uid, found.st_gid)
        raise ConfigError(f"the key file {path} cannot be read: {error.strerror}{hint}") from error
    return decode(content, kind, path)


def decode(content: bytes, kind: type[F], path: Path) -> F:
    """The key in `content`. Raises ConfigError, which names `path` and never shows its content."""
    try:
        key = msgspec.json.decode(content, type=kind)
        for field in ("public", "secret", "trainer"):
            if text := getattr(key, field, ""):
                raw(text)
        if isinstance(key, KeyPair) and zmq.curve_public(key.secret.encode()) != key.public.encode(
            "ascii"
        ):
            raise ValueError("its two halves do not belong together")
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        what = "generator" if kind is GeneratorKey else "trainer"
        hint = "copy it from the trainer's keys folder again" if kind is GeneratorKey else MAKE
        raise ConfigError(f"{path} is not a {what}'s key file ({error}): {hint}") from None
    return key


def _read(path: Path, *, private: bool) -> bytes:
    # The file is opened without blocking, since a FIFO in the folder must not hang the trainer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} is not a file: name the key file itself")
        if private:
            _check_private(path, found, "600")
        return os.read(descriptor, MAX_FILE_BYTES)
    finally:
        os.close(descriptor)


def _check_private(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to another user (uid {found.st_uid}), who can read and change it: "
            f"chown {os.geteuid()} {path}{container.key_owner(found.st_uid, found.st_gid)}"
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):o}): "
            f"chmod {mode} {path}"
        )


def write_new(path: Path, key: msgspec.Struct) -> None:
    """Write `key` to a new file that only its owner can read. Raises FileExistsError.

    The file appears whole, or not at all.
    """
    content = msgspec.json.format(msgspec.json.encode(key), indent=1) + b"\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - opened with its mode
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)  # unlike a rename, this fails if the file exists
    finally:
        temporary.unlink()


# -- the trainer's folder -----------------------------------------------------------------------


class KeyFolder:
    """The trainer's folder of keys. Raises ConfigError if it is missing, or open to others.

    make: True makes the folder and the trainer's key if they are missing.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self.path, self.admitted, self.revoked = path, path / "admitted", path / "revoked"
        if make:
            for folder in (path, self.admitted, self.revoked):
                with suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
        for folder in (path, self.admitted):
            try:
                _check_private(folder, folder.stat(), "700")
                if not folder.is_dir():
                    raise ConfigError(f"{folder} is not a folder")
            except OSError as error:
                where = "" if str(path) == "keys" else f" --keys {path}"
                raise ConfigError(
                    f"there are no keys in {path} ({error.strerror}): make some with "
                    f"`{MAKE}{where}`, NAME being the host that generators will run on"
                    + container.no_keys(path)
                ) from error
        secret = path / "trainer.key"
        if make and not secret.exists():
            with suppress(FileExistsError):  # made by another command at the same moment
                write_new(secret, new_pair("trainer"))
        self.trainer = read_secret(secret, KeyPair)

    def names(self, folder: Path) -> Iterator[str]:
        """The names that have a public key in `folder`, sorted."""
        with suppress(FileNotFoundError, NotADirectoryError):
            yield from sorted(
                p.stem for p in folder.iterdir() if p.suffix == ".pub" and is_name(p.stem)
            )

    def public(self, name: str, folder: Path | None = None) -> bytes:
        """The 32 bytes of a generator's public key. Raises ConfigError, OSError.

        folder: where to look; None: among the admitted keys.
        """
        path = (folder or self.admitted) / f"{name}.pub"
        return raw(decode(_read(path, private=False), PublicKey, path).public)

    def make(self, name: str) -> Path:
        """Make a key for the generators called `name`. Returns the file to copy to their host.

        Raises ConfigError if the name is not allowed, or was used before.
        """
        path = self.path / f"{_checked(name)}.key"
        if name in self.names(self.revoked):
            raise ConfigError(f"{name!r} was revoked, and names are not used twice: choose another")
        pair = new_pair(name)
        try:
            write_new(self.admitted / f"{name}.pub", PublicKey(name, pair.public))
            write_new(path, GeneratorKey(name, pair.public, pair.secret, self.trainer.public))
        except FileExistsError:
            raise ConfigError(
                f"{name!r} has a key already: copy {path}, or revoke it and choose another name"
            ) from None
        return path

    def revoke(self, name: str) -> None:
        """Admit the key called `name` no longer. Raises ConfigError if it is not admitted now."""
        try:
            (self.admitted / f"{_checked(name)}.pub").rename(self.revoked / f"{name}.pub")
        except FileNotFoundError:
            state = "is revoked already" if name in self.names(self.revoked) else "has no key"
            raise ConfigError(f"{name!r} {state} in {self.path}") from None
        (self.path / f"{name}.key").unlink(missing_ok=True)


def is_name(text: str) -> bool:
    """Return whether `text` may be the name of a key."""
    return _NAME.fullmatch(text) is not None


def _checked(name: str) -> str:
    if not is_name(name) or name == "trainer":
        raise ConfigError(
            f"{name!r} cannot be the name of a key: choose at most 64 letters, digits, '.', '_' "
            "and '-', and not 'trainer'"
        )
    return name


def check_bind(bind: Endpoint, keys: str, *, insecure: bool) -> None:
    """Raise ConfigError if `bind` would admit whoever reaches it, without --insecure.

    keys: the trainer's folder of keys; ``""``: it has none.
    """
    if keys and insecure:
        raise ConfigError("--keys and --insecure exclude each other: give one of them")
    if not keys and not insecure and not bind.is_loopback:
        raise ConfigError(
            f"--bind {bind} can be reached from other machines, so it needs keys. Make them with "
            f"`{MAKE}`, NAME being the host that generators will run on, and add --keys keys; or "
            f"admit whoever reaches the port with --insecure{container.no_keys(Path('keys'))}"
        )
