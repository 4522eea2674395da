"""The data set behind a links folder with one folder for each class, as in the camera task.

    train/<class>/…                photos to learn from; its folders name the classes
    flickr_images/<class>/…        more photos to learn from, of the same classes     (optional)
    val_images/<class>/…           photos to validate on, of the same classes         (optional)
    test/…                         photos to predict; they may also be in the links folder itself

- val_images may also be called val, valid or validation. If there is none of them, the folders of
  test are validated on if they are named like classes; else a share of each class is held out.
- Folders whose names are aliases (`aliases`) belong to one class. The class is called like its
  folder in train; if it has two there, by the first name in the row of aliases.
- A file is a photo by its ending, if that is a usual one, else by its first bytes. Folders below a
  class folder are searched as well.
- Photos may be chosen by lists (`selection`); entries that match no photo are reported.
- Files that are not used are counted for each reason, with the first name.
- train, a class folder and a photo may each be a symbolic link. A dangling link is an error, unless
  it is an optional folder that is not mounted into a container.
- A photo beside the class folders is an error, since nobody means it to be left out.
- Classes and records are sorted by code points, so that all hosts and locales agree.
- A scan does one `scandir` for each folder and one `stat` for each photo: a million photos take
  seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pushfit import archives, container, regular
from pushfit.decoding import images
from pushfit.errors import DataError, alike, nearest
from pushfit.layout import KNOWN, TEST_FOLDER, TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.links import check as check_links
from pushfit.links import some, without_train
from pushfit.tasks.aliases import Aliases, Labels
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet, Record, RecordTable, Unused
from pushfit.tasks.records import parted
from pushfit.tasks.selection import Selection

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff")  # a file with such a name is a photo
DEEPEST = 64  # nested folders: only a circle of links has more
NO_ALIASES = Aliases()
HIDDEN = "hidden, as the name begins with a dot"
SPECIAL = "a pipe, a device or a socket, not a file"
NOT_READ = "a folder that this task does not read"


class Leftovers:
    """Files that a scan does not use, counted by reason, with the first name for each."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, name: str, reason: str, number: int = 1) -> None:
        """Count files. name: of the first of them."""
        count, first = self._found.get(reason, (0, name))
        self._found[reason] = count + number, min(first, name)

    def update(self, other: Leftovers) -> None:
        for reason, (count, first) in other._found.items():
            earlier, name = self._found.get(reason, (0, first))
            self._found[reason] = earlier + count, min(first, name)

    def listed(self) -> tuple[Unused, ...]:
        return tuple(
            Unused(count, first, reason) for reason, (count, first) in sorted(self._found.items())
        )


def scan(
    links: Path,
    listed: Sequence[str] = (),
    held_out: float = 0.0,
    aliases: Aliases = NO_ALIASES,
    selection: Selection | None = None,
    order: Callable[[str], Any] | None = None,
) -> DataSet:
    """The data set behind `links`.

    listed: the classes in their order; empty: the folders of train, sorted.
    held_out: the share of each class to validate on if there is no folder for that.
    aliases: which folders of other names belong to the same class.
    selection: which photos are used; None: all.
    order: a key that sorts the names of classes; None: they are sorted by code points.
    Raises DataError, which says what is wrong and what to do.
    """
    check_links(links)
    left, beside, selection = Leftovers(), Leftovers(), selection or Selection()
    classes = _classes(links, listed, aliases, order)
    labels = Labels(classes, aliases)
    folder = _validation_folder(links, labels)
    val = RecordTable.of(_records(links, (folder,), labels, beside, selection) if folder else ())
    validation = f"the folder {folder}" if val else "none"
    # Held out while it is listed, so that no record is in memory twice.
    share = 0.0 if val else held_out
    train, rest = parted(_records(links, TRAIN_FOLDERS, labels, left, selection), share)
    if share:
        val = rest
        lacking = f"{folder} holds no photos" if folder else f"no folder {', '.join(VAL_FOLDERS)}"
        validation = f"held out, {held_out:.0%} of each class ({lacking})"
    if not train:
        raise DataError(f"no photos in {links / 'train'}: {_none_of(left)}")
    counts = np.bincount(train.labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty and not selection.is_everything:
        raise DataError(
            f"--only and --without leave no photo of the class {empty[0]!r} to train on: list some "
            "of its photos, or take its folder out of train"
        )
    if empty:
        raise DataError(
            f"{links / 'train' / empty[0]} holds no photos ({images.KINDS}): put some there, or "
            "remove the folder"
        )
    if len(classes) == 1:
        raise DataError(
            f"only one class, {classes[0]!r}, in {links / 'train'}: a classifier needs two; "
            "add a second folder"
        )
    left.update(beside)
    siblings(links, left)
    for entry, reason in selection.unmatched():
        left.add(entry, reason)
    validation += labels.told()
    return DataSet(classes, {TRAIN: train, VAL: val}, left.listed(), validation)


def scan_test(links: Path) -> DataSet:
    """The photos of `links/test`, or else of `links` itself, by path. Raises DataError."""
    if not links.is_dir():
        raise DataError(f"there is no folder {links} with photos to predict")
    left = Leftovers()
    inside = _check_folder(links / TEST_FOLDER, required=False)
    folder, prefix = (links / TEST_FOLDER, f"{TEST_FOLDER}/") if inside else (links, "")
    photos = sorted(_photos(folder, prefix, left, beside=frozenset() if inside else KNOWN.keys()))
    if not photos:
        raise DataError(f"no photos to predict in {folder}: {_none_of(left)}")
    records = RecordTable.of(Record(path, size, 0) for path, size in photos)
    return DataSet(("unlabelled",), {TEST: records}, left.listed())


def class_folder(path: str) -> str:
    """The folder of a test record, which may name its class; ``""``: it lies in none."""
    name, slash, _ = path.removeprefix(f"{TEST_FOLDER}/").partition("/")
    return name if slash else ""


def _none_of(left: Leftovers) -> str:
    """Why the files that are there are not photos; if there are none, what to do."""
    found = [f"{each.count:,} {each.reason} (first {each.first})" for each in left.listed()]
    return "; ".join(found) or f"put some there ({images.KINDS})"


def _classes(
    links: Path, listed: Sequence[str], aliases: Aliases, order: Callable[[str], Any] | None
) -> tuple[str, ...]:
    _check_folder(links / "train", required=True)
    found = tuple(sorted(_subfolders(links / "train", "train", Leftovers())))
    if not found:
        packed = archives.among(some(links / "train"))
        raise DataError(
            f"{links / 'train'} holds no folders: "
            + (packed or "put the photos into one folder a class, train/<class>/")
        )
    folders: dict[str, list[str]] = {}
    for name in found:
        folders.setdefault(aliases.first(name), []).append(name)
    if not listed:
        called = (first if len(names) > 1 else names[0] for first, names in folders.items())
        return tuple(sorted(called, key=order))
    for name in listed:
        if aliases.first(name) not in folders:
            raise DataError(
                f"classes: {name!r} has no folder in {links / 'train'}{_meant(name, found)}; "
                "make it, or take the class off the list"
            )
    wanted = {aliases.first(name): name for name in listed}
    for name in listed:
        if wanted[aliases.first(name)] != name:
            raise DataError(
                f"classes: {name!r} and {wanted[aliases.first(name)]!r} are the same class by "
                "their aliases: name it once"
            )
    for name in found:
        if aliases.first(name) not in wanted:
            raise DataError(
                f"{links / 'train' / name} is not among the {len(listed)} classes listed"
                f"{_meant(name, listed)}; add it to classes, or move the folder away"
            )
    return tuple(listed)


def _meant(name: str, known: Sequence[str]) -> str:
    """The known name that a person may have meant, and how it differs if that cannot be seen."""
    return alike(name, known) or nearest(name, known)


def _validation_folder(links: Path, labels: Labels) -> str:
    """The folder to validate on; ``""``: there is none. Raises DataError if there are several."""
    found = [name for name in VAL_FOLDERS if _check_folder(links / name, required=False)]
    if len(found) > 1:
        raise DataError(
            f"{found[0]} and {found[1]} are both in {links}, but only one can be validated on: "
            "rename or remove the other"
        )
    if found:
        return found[0]
    if _check_folder(links / TEST_FOLDER, required=False):
        with _entries(links / TEST_FOLDER) as entries:
            if any(entry.name in labels and entry.is_dir() for entry in entries):
                return TEST_FOLDER
    return ""


def siblings(links: Path, left: Leftovers, read: Collection[str] = ()) -> None:
    """Note the entries beside train that are not read. read: the names of further ones that are."""
    with _entries(links) as entries:
        for entry in entries:
            if entry.name in KNOWN or entry.name in read or entry.name.startswith("."):
                continue
            where = f"{entry.name}/" if entry.is_dir() else entry.name
            left.add(where, NOT_READ if entry.is_dir() else "a file beside the folders")


def _records(
    links: Path, roots: Sequence[str], labels: Labels, left: Leftovers, selection: Selection
) -> Iterator[Record]:
    """The photos below `roots`, sorted by (label, path). A root that does not exist has none."""
    folders: dict[int, list[str]] = {}
    for root in roots:
        if not _check_folder(links / root, required=False):
            continue
        for name in _subfolders(links / root, root, left):
            label = labels.of(root, name)
            if label is None:
                raise DataError(
                    f"{links / root / name} is not a class of train{_meant(name, labels.classes)}; "
                    f"rename it, or make {links / 'train' / name} with photos to learn it from"
                )
            folders.setdefault(label, []).append(f"{root}/{name}")
    for label in sorted(folders):  # sorted class by class, to hold the paths of one at a time
        photos = []
        for folder in folders[label]:
            for path, size in _photos(links / folder, f"{folder}/", left):
                if reason := selection.refuses(path):
                    left.add(path, reason)
                else:
                    photos.append((path, size))
        photos.sort()
        yield from (Record(path, size, label) for path, size in photos)


def _subfolders(root: Path, prefix: str, left: Leftovers) -> list[str]:
    """Names of the class folders in `root`."""
    names: list[str] = []
    stray: list[str] = []
    with _entries(root) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                left.add(f"{prefix}/{entry.name}", HIDDEN)
            elif entry.is_dir():
                names.append(entry.name)
            elif _special(entry):
                left.add(f"{prefix}/{entry.name}", SPECIAL)
            elif entry.is_symlink() and not entry.is_file():
                _check_folder(root / entry.name, required=False)
            elif reason := _not_a_photo(entry):
                left.add(f"{prefix}/{entry.name}", reason)
            else:
                stray.append(entry.name)
    if stray:
        raise DataError(
            f"{len(stray)} photos lie in {root} itself, e.g. {min(stray)!r}, so their class is "
            f"unknown: move them to {root}/<class>/"
        )
    return names


def _photos(
    folder: Path,
    prefix: str,
    left: Leftovers,
    above: tuple[tuple[int, int], ...] = (),
    beside: Collection[str] = (),
) -> Iterator[tuple[str, int]]:
    """(prefix and name, bytes) of the photos in a folder and the folders below it, in any order.

    above: (device, inode) of the folders that this one is in.
    beside: names in it that have another purpose.
    """
    with _entries(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.name.startswith("."):
                left.add(path, HIDDEN)
            elif entry.name in beside:
                left.add(path, f"{KNOWN[entry.name]}, which have another purpose")
            elif entry.is_dir():
                status = entry.stat()
                here = status.st_dev, status.st_ino
                if here in above or len(above) > DEEPEST:
                    left.add(f"{path}/", "a link to a folder that it is in")
                else:
                    yield from _photos(Path(entry.path), f"{path}/", left, (*above, here))
            elif _special(entry):
                left.add(path, SPECIAL)
            elif not entry.is_file():
                raise DataError(_dangling(Path(entry.path), required=False))
            elif reason := _not_a_photo(entry):
                left.add(path, reason)
            else:
                yield path, entry.stat().st_size


def _special(entry: os.DirEntry[str]) -> bool:
    """Return whether the entry exists and is not a file, a folder or a link to one."""
    if entry.is_file() or entry.is_dir():
        return False
    return not entry.is_symlink() or Path(entry.path).exists()


def _not_a_photo(entry: os.DirEntry[str]) -> str:
    """Why the file is not a photo; ``""``: it is one.

    A file with a usual ending is taken for one: to open each of a million files would take minutes
    on a network share. If it holds something else, it is reported as a bad record later.
    """
    if entry.name.lower().endswith(ENDINGS):
        return ""
    with regular.opened(Path(entry.path)) as file:
        head = file.read(images.HEAD)
    if images.kind(head):
        return ""
    if images.what(head).startswith("a HEIC"):
        return f"HEIC, AVIF or video, which is not read: save it as {images.KINDS}"
    return "not a picture" if head else "an empty file"


@contextmanager
def _entries(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of `folder`. An OSError becomes a DataError."""
    try:
        with os.scandir(folder) as entries:
            yield (_named(entry) for entry in entries)
    except OSError as error:
        where = error.filename or folder
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error


def _named(entry: os.DirEntry[str]) -> os.DirEntry[str]:
    """`entry`, if its name can be sent to others: on Linux a name may be any bytes."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        where = os.fsencode(entry.path)
        raise DataError(f"a file name is not UTF-8: {where!r}; rename it") from None
    return entry


def _check_folder(path: Path, *, required: bool) -> bool:
    """Return whether there is a folder at `path`.

    Raises DataError if something else is there; if `required`, also if nothing is.
    """
    if path.is_dir():
        return True
    if mount := container.unmounted(path):
        if not required:
            return False  # an image has all links, whatever is mounted
        raise DataError(mount)
    if path.is_symlink():
        raise DataError(_dangling(path, required=required))
    if path.exists():
        raise DataError(f"{path} is a file: it must be a folder of folders, one a class")
    if required:
        raise DataError(
            f"there is no {path.name} in --links {path.parent}{without_train(path.parent)}"
        )
    return False


def _dangling(path: Path, *, required: bool) -> str:
    target = path.readlink()
    return (
        f"{path} is a dangling link: its target {target} is not a folder or file on this host; "
        f"point it to where the data is with `ln -sfn /path/to/{path.name} {path}`"
    ) + ("" if required else f", or remove it with `rm {path}`")
