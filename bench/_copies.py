"""A host's own copy of the photos, of which some can be put out of order and back in again.

A copy is made of links, a link a photo: what happens to one host's photos happens to no other's.
Every fault here returns what undoes it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

_CLASS_CONTENT, _CLOSE_ON_EXEC = 0x4, 0x1  # of fanotify_init
_ADD, _OPEN_ASKS = 0x1, 0x10000  # of fanotify_mark
_HERE = -100  # AT_FDCWD

_libc = ctypes.CDLL(None, use_errno=True)

Undo = Callable[[], None]


def _may_open() -> int:
    """A descriptor that decides about openings of files. Raises OSError where there is none."""
    descriptor = int(_libc.fanotify_init(_CLASS_CONTENT | _CLOSE_ON_EXEC, os.O_RDONLY))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def _ask(descriptor: int, path: Path) -> None:
    """From here on, whoever opens the file waits for an answer."""
    mask = ctypes.c_uint64(_OPEN_ASKS)
    if _libc.fanotify_mark(descriptor, _ADD, mask, _HERE, os.fsencode(path)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))


def why_none_hangs(folder: Path) -> str:
    """What keeps files from hanging here, or ``""``. folder: one for a trial."""
    trial = folder / "hangs"
    trial.touch()
    try:
        descriptor = _may_open()
        try:
            _ask(descriptor, trial)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"fanotify: {error.strerror}"
    finally:
        trial.unlink()
    return ""


class Copy:
    """The copy at `path` of the photos behind `source`."""

    def __init__(self, path: Path, source: Path) -> None:
        self.path = path
        shutil.copytree(source, path, copy_function=os.symlink)
        train = path / "train"
        self._photos = sorted(Path(at, name) for at, _, names in os.walk(train) for name in names)

    def some(self, choice: float, most: int) -> list[Path]:
        """At most `most` training photos, spread over the classes. choice: in [0, 1)."""
        count = min(most, len(self._photos))
        first, step = int(choice * len(self._photos)), len(self._photos) // count
        return [self._photos[(first + n * step) % len(self._photos)] for n in range(count)]

    def take_away(self, photos: Sequence[Path]) -> Undo:
        """The photos are gone."""
        undo = self._restored(photos)
        for photo in photos:
            photo.unlink()
        return undo

    def replace(self, photos: Sequence[Path]) -> Undo:
        """In the place of each photo is another, of another size."""
        undo = self._restored(photos)
        for photo in photos:
            size = photo.stat().st_size
            other = self._photos[self._photos.index(photo) - 1].resolve().read_bytes()
            _put(photo, other if len(other) != size else other + b"\0")
        return undo

    def hang(self, photo: Path) -> Undo:
        """Whoever opens the photo waits until that is undone, and then gets it."""
        restore = self._restored([photo])
        _put(photo, photo.read_bytes())
        descriptor = _may_open()
        _ask(descriptor, photo)

        def undo() -> None:
            restore()
            os.close(descriptor)  # whoever waits gets the photo

        return undo

    def _restored(self, photos: Sequence[Path]) -> Undo:
        """Makes the photos what they are now."""
        targets = [photo.readlink() for photo in photos]

        def undo() -> None:
            for photo, target in zip(photos, targets, strict=True):
                link = _beside(photo)
                link.symlink_to(target)
                link.replace(photo)

        return undo


def _put(photo: Path, content: bytes) -> None:
    """Replace the link by a file with that content, in one step."""
    file = _beside(photo)
    file.write_bytes(content)
    file.replace(photo)


def _beside(photo: Path) -> Path:
    return photo.with_name(f".{photo.name}.new")
