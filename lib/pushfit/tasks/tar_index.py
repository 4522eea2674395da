"""What lies where in a tar file: found out once, and kept in the cache folder.

    of(path) -> Index

The index of an archive is kept under a name that follows from its path, size and time of change. If
it cannot be kept, or is damaged, it is made again, which takes a look at each header.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from pushfit import files, host, regular
from pushfit.errors import ConfigError, DataError, OutputError, trouble

FORMAT = 1
PHOTOS = ("jpg", "jpeg", "png", "tif", "tiff", "webp", "bmp", "gif")
LABELS = ("cls", "txt", "json")  # of several, the first one counts
KEYS = ("label", "cls")
MOST_LABEL = 1 << 16  # bytes of a file with a label: JSON may have a caption as well
MOST_NAME = 200  # characters of a class


class Index(msgspec.Struct, frozen=True):
    """The photos in an archive, by offset.

    names: of the photos in the archive.
    offsets, sizes: of each photo, in bytes.
    labels: the class of each photo; ``""``: none is given.
    unused: {reason: (number of other files, the first name)}.
    """

    format: int
    names: list[str]
    offsets: list[int]
    sizes: list[int]
    labels: list[str]
    unused: dict[str, tuple[int, str]]

    def fits(self, size: int) -> bool:
        """Return whether this can be the index of an archive of `size` bytes."""
        count = len(self.names)
        return (
            self.format == FORMAT
            and count == len(self.offsets) == len(self.sizes) == len(self.labels)
            and all(
                offset > 0 and length > 0 and offset + length <= size
                for offset, length in zip(self.offsets, self.sizes, strict=True)
            )
        )


def of(path: Path) -> Index:
    """The index of the archive at `path`. Raises DataError."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {trouble(error)}") from error
    key = f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}".encode()
    kept: Path | None = None
    with suppress(ConfigError):  # a user without a home
        kept = host.cache() / "tar" / f"{hashlib.sha256(key).hexdigest()[:32]}.msgpack"
    if kept is not None:
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            known = msgspec.msgpack.decode(regular.read(kept), type=Index)
            if known.fits(status.st_size):
                return known
    made = _made(path)
    if kept is not None:
        with suppress(OSError, OutputError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(kept) as temporary:
                temporary.write_bytes(msgspec.msgpack.encode(made))
    return made


def _made(path: Path) -> Index:
    try:
        with regular.opened(path) as file:
            made = _read(file, path)
            if not made.fits(os.fstat(file.fileno()).st_size):
                raise DataError(f"{path} is damaged: it ends before its last file: copy it again")
            return made
    except OSError as error:
        raise DataError(f"{path} cannot be read: {trouble(error)}") from error
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged, or not a tar file ({error}): copy or make it again"
        ) from error


def _read(file: IO[bytes], path: Path) -> Index:
    photos: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, tuple[int, str]] = {}
    unused: dict[str, tuple[int, str]] = {}

    def leave(name: str, reason: str) -> None:
        count, first = unused.get(reason, (0, name))
        unused[reason] = count + 1, first

    for entry, stem, ending in _files(file, path, leave):
        if ending in PHOTOS:
            if stem in photos:
                leave(entry.name, "a further picture of its sample in a tar file")
            else:
                photos[stem] = entry.name, entry.offset_data, entry.size
        elif ending in LABELS:
            if entry.size > MOST_LABEL:
                leave(entry.name, "a label of more than 64 KiB in a tar file")
                continue
            file.seek(entry.offset_data)
            text = _label(file.read(entry.size), ending)
            if text and LABELS.index(ending) < labels.get(stem, (len(LABELS), ""))[0]:
                labels[stem] = LABELS.index(ending), text
        else:
            leave(entry.name, f"a file in a tar that is neither a photo nor a label (.{ending})")
    for stem in labels.keys() - photos.keys():
        leave(stem, "a label without a photo in a tar file")
    rows = [
        (*photo, labels[stem][1] if stem in labels else PurePosixPath(stem).parent.name)
        for stem, photo in photos.items()
    ]
    return Index(
        FORMAT,
        [name for name, _, _, _ in rows],
        [offset for _, offset, _, _ in rows],
        [size for _, _, size, _ in rows],
        [label for _, _, _, label in rows],
        unused,
    )


def _files(
    file: IO[bytes], path: Path, leave: Callable[[str, str], None]
) -> Iterator[tuple[tarfile.TarInfo, str, str]]:
    """(entry, stem, ending) of each file in the archive."""
    with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
        for entry in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # or they would all be kept
            name = entry.name
            try:
                name.encode()
            except UnicodeEncodeError:
                raise DataError(
                    f"{path}: a name in it is not UTF-8: {name!r}; make it again"
                ) from None
            folder, slash, last = name.rpartition("/")
            stem, _, ending = last.partition(".")
            ending = ending.lower()
            if entry.isdir() or not stem:
                continue
            if not entry.isreg() or entry.issparse():
                leave(name, "a link, a device or a sparse file in a tar file")
            elif not entry.size:
                leave(name, "an empty file in a tar file")
            else:
                yield entry, f"{folder}{slash}{stem}", ending


def _label(data: bytes, ending: str) -> str:
    """The class in a file with a label; ``""``: there is none."""
    try:
        text = data.decode()
        if ending == "json":
            value = json.loads(text)
            known = value if isinstance(value, dict) else {}
            found = next((known[key] for key in KEYS if key in known), "")
            if isinstance(found, bool) or not isinstance(found, int | str):
                return ""
            text = str(found)
    except (ValueError, RecursionError):
        return ""
    text = text.strip()
    return text if len(text) <= MOST_NAME and text.isprintable() else ""
