"""What lies where in a tar file: found out once, and kept in the cache folder.

    of(path) -> Index

The index of an archive is kept under a name that follows from its path, size and time of change,
with a checksum before it. If it cannot be kept, or is damaged, it is made again, which takes a look
at each header.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import msgspec

from pushfit import files, host, regular
from pushfit.errors import ConfigError, DataError, OutputError, trouble
from pushfit.tasks.tar_headers import FILE, FOLDER, Archive, Entry

FORMAT = 2
SEAL = 16  # bytes of the checksum before an index
PHOTOS = ("jpg", "jpeg", "png", "tif", "tiff", "webp", "bmp", "gif")
LABELS = ("cls", "txt", "json")  # of several, the first one counts
KEYS = ("label", "cls")
MOST_LABEL = 1 << 16  # bytes of a file with a label: JSON may have a caption as well
MOST_NAME = 200  # characters of a class
MOST_PATH = 2000  # characters of a photo's name in its archive


class Index(msgspec.Struct, frozen=True):
    """The photos in an archive, by offset.

    names: of the photos in the archive.
    offsets, sizes: of each photo, in bytes.
    labels: the class of each photo; ``""``: none is given.
    unused: {reason: (number of other files, the first name; ``""``: it is the archive itself)}.
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
        with regular.opened(path) as file:
            status = os.fstat(file.fileno())
            kept = _place(path, status)
            with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                if kept is not None and (known := _kept(kept)) and known.fits(status.st_size):
                    return known
            made = _read(Archive(file, path))
            if os.fstat(file.fileno()).st_mtime_ns != status.st_mtime_ns:
                raise DataError(f"{path} was written to while it was read: wait until it is whole")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {trouble(error)}") from error
    if kept is not None:
        _keep(kept, made)
    return made


def _place(path: Path, status: os.stat_result) -> Path | None:
    """Where the index of an archive is kept; None: this user has no place for that."""
    key = f"{FORMAT}\0{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
    with suppress(ConfigError):
        name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
        return host.cache() / "tar" / f"{name}.msgpack"
    return None


def _kept(path: Path) -> Index | None:
    """The index in a file; None: the file is damaged. Raises OSError, MsgspecError."""
    data = regular.read(path)
    if data[:SEAL] != _seal(data[SEAL:]):
        return None
    return msgspec.msgpack.decode(memoryview(data)[SEAL:], type=Index)


def _keep(path: Path, index: Index) -> None:
    """Write the index. If that fails, it is made again the next time."""
    data = msgspec.msgpack.encode(index)
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as temporary:
            temporary.write_bytes(_seal(data) + data)


def _seal(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=SEAL).digest()


def _read(archive: Archive) -> Index:
    photos: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, tuple[int, str]] = {}
    unused: dict[str, tuple[int, str]] = {}

    def leave(name: str, reason: str) -> None:
        count, first = unused.get(reason, (0, name))
        unused[reason] = count + 1, first

    for entry, stem, ending in _files(archive, leave):
        if ending in PHOTOS:
            if stem in photos:
                leave(entry.name, "a further picture of its sample in a tar file")
            else:
                photos[stem] = entry.name, entry.offset, entry.size
        elif ending not in LABELS:
            leave(entry.name, "neither a photo nor a label, in a tar file")
        elif entry.size > MOST_LABEL:
            leave(entry.name, "a label of more than 64 KiB in a tar file")
        else:
            text = _label(archive.read(entry.offset, entry.size), ending)
            if text and LABELS.index(ending) < labels.get(stem, (len(LABELS), ""))[0]:
                labels[stem] = LABELS.index(ending), text
            elif not text:
                leave(entry.name, "a file in a tar file that holds no class, as its ending says")
    for stem in labels.keys() - photos.keys():
        leave(stem, "a label without a photo in a tar file")
    if archive.no_end:
        leave("", "a tar file without an end, which may have been cut short")
    if archive.more:
        leave("", "a tar file with more after its end, which is not read")
    found = [labels[s][1] if s in labels else PurePosixPath(s).parent.name for s in photos]
    return Index(
        FORMAT,
        [name for name, _, _ in photos.values()],
        [offset for _, offset, _ in photos.values()],
        [size for _, _, size in photos.values()],
        [text if _is_class(text) else "" for text in found],
        unused,
    )


def _files(archive: Archive, leave: Callable[[str, str], None]) -> Iterator[tuple[Entry, str, str]]:
    """(entry, stem, ending) of each file in the archive."""
    for entry in archive.entries():
        name = entry.name
        folder, slash, last = name.rpartition("/")
        stem, _, ending = last.partition(".")
        if entry.kind == FOLDER:
            continue
        if entry.kind != FILE:
            leave(name[:MOST_PATH], f"{entry.kind} in a tar file")
        elif not stem:
            leave(name[:MOST_PATH], "hidden in a tar file, as the name begins with a dot")
        elif len(name) > MOST_PATH:
            leave(name[:MOST_PATH], f"a name of more than {MOST_PATH:,} characters in a tar file")
        elif not entry.size:
            leave(name, "an empty file in a tar file")
        else:
            yield entry, f"{folder}{slash}{stem}", ending.lower()


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
    return text if _is_class(text) else ""


def _is_class(text: str) -> bool:
    """Return whether the text can name a class: a caption or a binary file is not one."""
    return len(text) <= MOST_NAME and text.isprintable() and text != ".."
