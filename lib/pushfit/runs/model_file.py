"""Checks, before Keras is imported, that a file holds a model that can be loaded.

A `.keras` file is a zip archive with the members below. A `.weights.h5` file is an HDF5 file. If a
file is cut short, damaged or of another kind, one sentence says so, and what to do.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from pushfit.archives import ZIP
from pushfit.errors import ConfigError, trouble
from pushfit.settings import models

KERAS, WEIGHTS = ".keras", ".weights.h5"  # the endings of their names
_MEMBERS = ("config.json", "model.weights.h5")
MOST_PACKED = 8  # largest size of the unpacked members, as a multiple of the file's size
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Exceptions of zipfile, besides its own, for invalid entries.
_ODD = (NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, OverflowError)
_POINTER = b"version https://git-lfs"
_LFS = "is a pointer of Git LFS, not the model: fetch that with `git lfs pull`"
_PAGE = "is a web page, which a download left: download the model again"
_AGAIN = "copy it again from where it is complete"


def check(path: Path) -> None:
    """Raise ConfigError if `path` is not a complete `.keras` file."""
    start = _start(path)
    if start.startswith(_HDF5):
        raise ConfigError(
            f"{path} is an HDF5 file, as Keras saved models before version 3: where it can be "
            f"loaded, save it again with keras.models.load_model(…).save('model{KERAS}')"
        )
    _check_kind(path, start, ZIP, f"a {KERAS} file")
    try:
        with zipfile.ZipFile(path) as file:
            if _swollen(file, path.stat().st_size):
                raise ConfigError(
                    f"{path} would take many times its size when it is unpacked, so Keras has not "
                    "written it: get it from where it was trained"
                )
            missing = next((name for name in _MEMBERS if name not in file.namelist()), "")
            damaged = "" if missing else _damaged(file)
    except zipfile.BadZipFile:
        raise ConfigError(f"{path} is cut short: its end is missing; {_AGAIN}") from None
    except _ODD:
        raise ConfigError(f"{path} is damaged: its directory is invalid; {_AGAIN}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {trouble(error)}") from error
    if missing:
        raise ConfigError(
            f"{path} is a zip archive, but not a model of Keras: there is no {missing} in it; name "
            f"a {KERAS} file"
        )
    if damaged:
        raise ConfigError(f"{path} is damaged: {damaged} in it is invalid; {_AGAIN}")


def check_weights(name: str) -> None:
    """Raise ConfigError if `name` is not valid for --weights, or names a file that is not valid."""
    models.check_weights(name)
    path = Path(name)
    if name.endswith(KERAS):
        check(path)
    elif name.endswith(WEIGHTS):
        _check_kind(path, _start(path), _HDF5, f"a {WEIGHTS} file")
        _check_hdf5(path)


def _start(path: Path) -> bytes:
    """The first 64 bytes of the file. Raises ConfigError if it cannot be read."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: give the {KERAS} file")
    if not path.exists():
        raise ConfigError(f"there is no model file {path}: check the path")
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {trouble(error)}") from error


def _check_kind(path: Path, start: bytes, wanted: bytes, kind: str) -> None:
    """Raise ConfigError if a file does not begin with `wanted`.

    start: the first bytes of the file.
    kind: the name of the kind of file that begins with `wanted`.
    """
    if start.startswith(wanted):
        return
    if not start:
        raise ConfigError(f"{path} is empty: was a disk full? {_AGAIN[0].upper()}{_AGAIN[1:]}")
    if start.startswith(_POINTER):
        raise ConfigError(f"{path} {_LFS}")
    if start.lstrip().startswith(b"<"):
        raise ConfigError(f"{path} {_PAGE}")
    raise ConfigError(f"{path} begins with {start[:4].hex(' ')}, and is not {kind}: {_AGAIN}")


def _swollen(file: zipfile.ZipFile, size: int) -> bool:
    """Return whether the archive would unpack to far more than `size`, as no model does.

    Keras does not compress its files, and weights hardly compress.
    """
    return sum(member.file_size for member in file.infolist()) > MOST_PACKED * size + 2**24


def _damaged(file: zipfile.ZipFile) -> str:
    """The name of the first damaged member; ``""``: there is none."""
    for name in file.namelist():
        try:
            with file.open(name) as member:
                while member.read(1 << 20):
                    pass
        except (*_ODD, zipfile.BadZipFile, zlib.error, OSError):
            return name
    return ""


def _check_hdf5(path: Path) -> None:
    import h5py  # this takes a tenth of a second

    try:
        with h5py.File(path, "r"):
            pass
    except OSError:
        raise ConfigError(f"{path} is cut short or damaged; {_AGAIN}") from None
