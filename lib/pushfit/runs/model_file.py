"""Whether a file holds a model that can be loaded: told by its name, before Keras is imported.

A `.keras` file is a zip archive with the members below, a `.weights.h5` file is HDF5. What is
cut short, or is something else under that name, is told in one sentence that says what to do.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from pushfit.archives import ZIP
from pushfit.errors import ConfigError, trouble
from pushfit.settings import models

KERAS, WEIGHTS = ".keras", ".weights.h5"  # what the names of the two end in
_MEMBERS = ("config.json", "model.weights.h5")
MOST_PACKED = 8  # times its size that what is in a model file may have, in all
_HDF5 = b"\x89HDF\r\n\x1a\n"
# What zipfile raises, besides its own error, over entries that no program has written.
_ODD = (NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, OverflowError)
_POINTER = b"version https://git-lfs"
_LFS = "is a pointer of Git LFS, not the model: fetch that with `git lfs pull`"
_PAGE = "is a web page, which a download left: download the model again"
_AGAIN = "copy it again from where it is whole"


def check(path: Path) -> None:
    """Raises ConfigError where `path` is not a whole `.keras` file."""
    start = _start(path)
    if start.startswith(_HDF5):
        raise ConfigError(
            f"{path} is an HDF5 file, as Keras saved models before version 3: save it anew where "
            f"it can be loaded, with keras.models.load_model(…).save('model{KERAS}')"
        )
    _check_kind(path, start, ZIP, f"a {KERAS} file")
    try:
        with zipfile.ZipFile(path) as file:
            if _swollen(file, path.stat().st_size):
                raise ConfigError(
                    f"{path} would take many times its size when it is unpacked, as no model does "
                    "that Keras has written: get it from where it was trained"
                )
            missing = next((name for name in _MEMBERS if name not in file.namelist()), "")
            damaged = "" if missing else _damaged(file)
    except zipfile.BadZipFile:
        raise ConfigError(f"{path} is cut short: its end is missing; {_AGAIN}") from None
    except _ODD:
        raise ConfigError(f"{path} is damaged: its directory is not whole; {_AGAIN}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {trouble(error)}") from error
    if missing:
        raise ConfigError(
            f"{path} is a zip archive, but not a model of Keras: there is no {missing} in it; name "
            f"a {KERAS} file"
        )
    if damaged:
        raise ConfigError(f"{path} is damaged: {damaged} in it is not whole; {_AGAIN}")


def check_weights(name: str) -> None:
    """Raises ConfigError where `name` is not what --weights takes, or no such file is whole."""
    models.check_weights(name)
    path = Path(name)
    if name.endswith(KERAS):
        check(path)
    elif name.endswith(WEIGHTS):
        _check_kind(path, _start(path), _HDF5, f"a {WEIGHTS} file")
        _check_hdf5(path)


def _start(path: Path) -> bytes:
    """What the file begins with. Raises ConfigError."""
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
    """Raises ConfigError where the file does not begin with `wanted`, as `kind` does."""
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
    """Whether it is a bomb: Keras packs nothing, and weights hardly pack."""
    return sum(member.file_size for member in file.infolist()) > MOST_PACKED * size + 2**24


def _damaged(file: zipfile.ZipFile) -> str:
    """The name of a member that is not as it was written, or ``""``."""
    for name in file.namelist():
        try:
            with file.open(name) as member:
                while member.read(1 << 20):
                    pass
        except (*_ODD, zipfile.BadZipFile, zlib.error, OSError):
            return name
    return ""


def _check_hdf5(path: Path) -> None:
    import h5py  # takes a tenth of a second

    try:
        with h5py.File(path, "r"):
            pass
    except OSError:
        raise ConfigError(f"{path} is cut short or damaged; {_AGAIN}") from None
