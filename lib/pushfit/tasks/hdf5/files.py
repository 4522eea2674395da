"""Which datasets of HDF5 files are images, and which are their labels: names decide.

    DIR/train.h5, DIR/val.h5, DIR/test.h5      images, labels (or image, data, x; label, target, y)
    DIR/train/part-1.h5, DIR/train/part-2.h5   a folder for each split, with any number of files
    DIR/cells.h5                               x_train, y_train, x_test, y_test; train/images, …
    DIR/cells.h5                               images, labels: all to train on
    DIR/train_x.h5, DIR/train_y.h5             images and labels in a file each

- A name is split into words: `train_set_x` is train, set, x. The split follows from a word in the
  path of the dataset, or else in the file's name, or else in its folder's name. The last of the
  other words says what the dataset holds.
- A dataset that a person has named is used whatever its name: it is given by its path, or by the
  words of its path without those for splits. So `raw` means train/raw and val/raw, or raw_train.
- Only names and shapes are read here, no images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from pushfit import archives, requirements
from pushfit.errors import DataError, trouble
from pushfit.links import check as check_links
from pushfit.links import some
from pushfit.tasks.base import TEST, TRAIN, VAL
from pushfit.tasks.folders import HIDDEN, Leftovers

ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
IMAGES, LABELS = "images", "labels"
SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing"), TEST),
}
ROLES = {
    **dict.fromkeys(("images", "image", "imgs", "img", "data", "x", "patches"), IMAGES),
    **dict.fromkeys(("labels", "label", "targets", "target", "y", "class", "ans"), LABELS),
}
CACHE, CACHE_SLOTS = 64 * 2**20, 20_011  # HDF5's cache of unpacked chunks: bytes, slots
MOST = 1000  # most datasets in a file
SHOWN = 6  # most datasets that a message names
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_PLAIN = frozenset({"set", *SPLITS})  # words that do not say what a dataset holds


class Named(msgspec.Struct, frozen=True):
    """A dataset. path: inside the file; shown: the file's path below the links folder."""

    file: Path
    shown: str
    path: str

    def __str__(self) -> str:
        return f"{self.shown}/{self.path}"


class Pair(msgspec.Struct, frozen=True):
    """A dataset of images, and that of their labels if there is one."""

    images: Named
    labels: Named | None


def h5py() -> ModuleType:
    """The package h5py, which is needed only for HDF5 files. Raises DataError if it is missing."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise DataError(f"HDF5 files cannot be read: {requirements.explained(error)}") from None
    return h5py  # type: ignore[no-any-return]


def opened(path: Path) -> Any:
    """The file, open for reading. Raises DataError.

    It is not locked: reading needs no lock, and some file systems have none.
    """
    try:
        with path.open("rb"):
            pass  # the error of the system says more than that of HDF5
        return h5py().File(path, "r", locking=False, rdcc_nbytes=CACHE, rdcc_nslots=CACHE_SLOTS)
    except OSError as error:
        if error.errno is not None:
            raise DataError(trouble(OSError(error.errno, error.strerror, str(path)))) from error
        raise DataError(
            f"{path} cannot be opened as HDF5 ({error}): was it copied whole, and is it HDF5?"
        ) from error


def find(links: Path, images: str, labels: str) -> tuple[dict[str, list[Pair]], Leftovers]:
    """(the pairs of each split, sorted by the names of their files; what is not used).

    images, labels: the names of the datasets; "": the usual ones.
    Raises DataError.
    """
    check_links(links)
    left = Leftovers()
    found: dict[str, dict[str, list[Named]]] = {IMAGES: {}, LABELS: {}}
    seen: list[str] = []
    files = sorted(_files(links, left), key=lambda each: each[1])
    for path, shown, of_folder in files:
        taken = False
        for name, shape in _datasets(path):
            role = _role(name, images, labels)
            seen.append(f"{shown}/{name} {shape}")
            if role:
                split = _split(name) or _split(Path(shown).stem) or of_folder
                found[role].setdefault(split, []).append(Named(path, shown, name))
                taken = True
        if not taken:
            left.add(shown, "HDF5 without a dataset that is named like images or labels")
    if not found[IMAGES]:
        raise DataError(_nothing(links, images, [shown for _, shown, _ in files], seen))
    for role, by_split in found.items():
        _default(by_split, role, left)
    return {
        split: _pairs(split, named, found[LABELS].get(split, []))
        for split, named in found[IMAGES].items()
    }, left


def _default(by_split: dict[str, list[Named]], role: str, left: Leftovers) -> None:
    """Add datasets without a split to train, unless others are named train."""
    unnamed = by_split.pop("", [])
    if TRAIN not in by_split and unnamed:
        by_split[TRAIN] = unnamed
        return
    for each in unnamed:
        left.add(str(each), f"{role} without a split, while others are called train")


def _files(links: Path, left: Leftovers) -> Iterator[tuple[Path, str, str]]:
    """(path, name below `links`, the split that its folder's name tells, or "")"""
    for path in sorted(links.iterdir()):
        if path.is_dir() and (split := _split(path.name)):
            for inner in sorted(path.iterdir()):
                yield from _file(inner, f"{path.name}/{inner.name}", split, left)
        else:
            yield from _file(path, path.name, "", left)


def _file(path: Path, shown: str, split: str, left: Leftovers) -> Iterator[tuple[Path, str, str]]:
    if path.name.startswith("."):
        left.add(shown, HIDDEN)
    elif path.is_symlink() and not path.exists():
        raise DataError(
            f"{path} is a dangling link: its target {path.readlink()} is not on this host; point "
            f"it to the file with `ln -sfn /path/to/{path.name} {path}`"
        )
    elif path.is_dir():
        left.add(f"{shown}/", "a folder that this task does not read")
    elif path.name.lower().endswith(ENDINGS):
        yield path, shown, split
    else:
        left.add(shown, f"its name ends in none of {', '.join(ENDINGS)}")


def _datasets(path: Path) -> list[tuple[str, str]]:
    """(path inside the file, shape as text) of each dataset of the file."""
    found: list[tuple[str, str]] = []
    kind = h5py().Dataset

    def look(name: str, thing: Any) -> bool | None:
        if isinstance(thing, kind):
            found.append((name, f"{thing.dtype}{list(thing.shape or ())}"))
        return True if len(found) > MOST else None

    with opened(path) as file, _whole(path):
        file.visititems(look)
    if len(found) > MOST:
        raise DataError(
            f"{path} holds more than {MOST:,} datasets, as files with a dataset for each image do: "
            "this task reads images that are the rows of one dataset. Write them in this form, or "
            "read them with your own task (docs/your-own-task.md)"
        )
    return found


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path} is damaged ({error}): copy it again") from error


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _split(text: str) -> str:
    return next((SPLITS[word] for word in _words(text) if word in SPLITS), "")


def _canonical(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _PLAIN]


def _role(path: str, images: str, labels: str) -> str:
    """IMAGES, LABELS or ""."""
    for named, role in ((images, IMAGES), (labels, LABELS)):
        if named and (path == named.strip("/") or _canonical(path) == _canonical(named)):
            return role
    words = _canonical(path)
    role = ROLES.get(words[-1], "") if words else ""
    return "" if (images if role == IMAGES else labels) else role


def _pairs(split: str, images: list[Named], labels: list[Named]) -> list[Pair]:
    """The images of a split with the labels of the same file. Raises DataError."""
    of_file = {IMAGES: _by_file(images, IMAGES), LABELS: _by_file(labels, LABELS)}
    alone = of_file[IMAGES].keys() - of_file[LABELS].keys()
    spare = of_file[LABELS].keys() - of_file[IMAGES].keys()
    if len(alone) == len(spare) == 1:  # the images are in one file, their labels in another
        of_file[LABELS][alone.pop()] = of_file[LABELS].pop(spare.pop())
    elif alone and split != TEST:
        first = of_file[IMAGES][min(alone)]
        raise DataError(
            f"{first} are images to {'train' if split == TRAIN else 'validate'} on, but they have "
            f"no labels: call those {_usual(LABELS)}, or give their name with --labels"
        )
    return [Pair(each, of_file[LABELS].get(file)) for file, each in sorted(of_file[IMAGES].items())]


def _by_file(named: Iterable[Named], role: str) -> dict[str, Named]:
    found: dict[str, Named] = {}
    for each in named:
        if before := found.get(each.shown):
            raise DataError(
                f"{before} and {each.path} in the same file may both be the {role}: say which with "
                f"--{role} NAME"
            )
        found[each.shown] = each
    return found


def _usual(role: str) -> str:
    return ", ".join(word for word, other in ROLES.items() if other == role)


def _nothing(links: Path, images: str, files: list[str], seen: list[str]) -> str:
    if not files:
        archive = archives.among(some(links))
        return f"no HDF5 files ({', '.join(ENDINGS)}) in --links {links}" + (
            f"; {archive}" if archive else ": put them there, or links to them"
        )
    which = f"called {images!r}" if images else f"of images: they are called {_usual(IMAGES)}"
    more = f" and {len(seen) - SHOWN} more" if len(seen) > SHOWN else ""
    return (
        f"no dataset in {links} is {which}. There are {', '.join(seen[:SHOWN]) or 'none'}{more}: "
        "name the one with the images by --images NAME, and that with their classes by --labels"
    )
