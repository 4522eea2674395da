"""A folder a class: the data set behind a links folder, as the camera task lays it out.

    train/<class>/*.jpg            training photos; its folders name the classes
    flickr_images/<class>/*.jpg    more training photos, of the same classes    (optional)
    val_images/<class>/*.jpg       validation photos, of the same classes       (optional)
    test/*.jpg                     photos to predict; or these are the folder's own

- Photos end in .jpg .jpeg .png .tif .tiff, in any case. Everything else in a class folder is left
  alone, as are hidden files and folders, and folders below a class folder.
- train, a class folder and a photo may each be a symbolic link; one that dangles is an error, but
  for an optional folder that is not mounted into a container.
- A photo beside the class folders is an error, as nobody means it to be left out.
- Classes and records are sorted by code points, so that every host and locale agrees.
- One `scandir` a folder and one `stat` a photo: a million photos take seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lib import container
from lib.errors import DataError, nearest
from lib.tasks.base import TEST, TRAIN, VAL, DataSet, Record

TRAIN_FOLDERS, VAL_FOLDERS = ("train", "flickr_images"), ("val_images",)
ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def scan(links: Path, listed: Sequence[str] = ()) -> DataSet:
    """The data set behind `links`.

    listed: the classes in their order, or empty for the folders of train, sorted.
    Raises DataError, saying how to mend what is wrong.
    """
    if not links.exists() and not links.is_symlink():
        raise DataError(
            f"the links folder {links} does not exist: make it with "
            f"`mkdir -p {links} && ln -sfn /path/to/photos/train {links / 'train'}`"
        )
    classes = _classes(links, listed)
    labels = {name: label for label, name in enumerate(classes)}
    train = _records(links, TRAIN_FOLDERS, labels)
    counts = dict.fromkeys(classes, 0)
    for record in train:
        counts[classes[record.label]] += 1
    if not train:
        raise DataError(f"no photos in {links / 'train'}: none ends in {' '.join(ENDINGS)}")
    if empty := [name for name, count in counts.items() if not count]:
        raise DataError(
            f"{links / 'train' / empty[0]} holds no photos ({' '.join(ENDINGS)}; folders below it "
            "are not read): put some there, or remove the folder"
        )
    if len(classes) == 1:
        raise DataError(
            f"only one class, {classes[0]!r}, in {links / 'train'}: a classifier needs two; "
            "add a second folder"
        )
    return DataSet(classes, {TRAIN: train, VAL: _records(links, VAL_FOLDERS, labels)})


def scan_test(links: Path) -> DataSet:
    """The photos of `links/test`, or else of `links` itself, by name. Raises DataError."""
    if not links.is_dir():
        raise DataError(f"there is no folder {links} with photos to predict")
    inside = _check_folder(links / TEST, required=False)
    folder, prefix = (links / TEST, f"{TEST}/") if inside else (links, "")
    photos = sorted(_photos(folder))
    if not photos:
        raise DataError(
            f"no photos to predict in {folder}: none ends in {' '.join(ENDINGS)} (folders in it "
            "are not read)"
        )
    records = tuple(Record(prefix + name, size, 0) for name, size in photos)
    return DataSet(("unlabelled",), {TEST: records})


def _classes(links: Path, listed: Sequence[str]) -> tuple[str, ...]:
    _check_folder(links / "train", required=True)
    found = tuple(sorted(_subfolders(links / "train")))
    if not found:
        raise DataError(
            f"{links / 'train'} holds no folders: put the photos into one folder a class, "
            "train/<class>/"
        )
    if not listed:
        return found
    for name in listed:
        if name not in found:
            raise DataError(
                f"classes: {name!r} has no folder in {links / 'train'}{nearest(name, found)}; "
                "make it, or take the class off the list"
            )
    for name in found:
        if name not in listed:
            raise DataError(
                f"{links / 'train' / name} is not among the {len(listed)} classes listed"
                f"{nearest(name, listed)}; add it to classes, or move the folder away"
            )
    return tuple(listed)


def _records(links: Path, roots: Sequence[str], labels: dict[str, int]) -> tuple[Record, ...]:
    """The photos below `roots`, sorted by (label, path). A root that is not there has none."""
    records = []
    for root in roots:
        if not _check_folder(links / root, required=False):
            continue
        for name in _subfolders(links / root):
            if name not in labels:
                raise DataError(
                    f"{links / root / name} is no class of train{nearest(name, labels)}; "
                    f"rename it, or make {links / 'train' / name} with photos to learn it from"
                )
            prefix, label = f"{root}/{name}/", labels[name]
            for file, size in _photos(links / root / name):
                records.append(Record(prefix + file, size, label))
    records.sort(key=lambda record: (record.label, record.path))
    return tuple(records)


def _subfolders(root: Path) -> list[str]:
    """Names of the class folders in `root`."""
    names: list[str] = []
    stray: list[str] = []
    with _entries(root) as entries:
        for entry in entries:
            if entry.is_dir():
                names.append(entry.name)
            elif entry.name.lower().endswith(ENDINGS):
                stray.append(entry.name)
            elif entry.is_symlink():
                _check_folder(root / entry.name, required=False)
    if stray:
        raise DataError(
            f"{len(stray)} photos stand in {root} itself, e.g. {min(stray)!r}: which class are "
            f"they? move them to {root}/<class>/"
        )
    return names


def _photos(folder: Path) -> Iterator[tuple[str, int]]:
    """(name, bytes) of the photos in a class folder, in no order."""
    with _entries(folder) as entries:
        for entry in entries:
            if not entry.name.lower().endswith(ENDINGS):
                continue
            if entry.is_file():
                yield entry.name, entry.stat().st_size
            elif entry.is_symlink() and not entry.is_dir():
                raise DataError(_dangling(folder / entry.name, required=False))


@contextmanager
def _entries(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What is in `folder`, without the hidden; an OSError on the way becomes a DataError."""
    try:
        with os.scandir(folder) as entries:
            yield (_named(entry) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        where = error.filename or folder
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error


def _named(entry: os.DirEntry[str]) -> os.DirEntry[str]:
    """`entry`, if its name can go over the wire: on Linux a name is any bytes."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        where = os.fsencode(entry.path)
        raise DataError(f"a file name is not UTF-8: {where!r}; rename it") from None
    return entry


def _check_folder(path: Path, *, required: bool) -> bool:
    """Whether there is a folder at `path`. Raises DataError where something else is, or nothing."""
    if path.is_dir():
        return True
    if mount := container.unmounted(path):
        if not required:
            return False  # in an image all links stand, whatever is mounted
        raise DataError(mount)
    if path.is_symlink():
        raise DataError(_dangling(path, required=required))
    if path.exists():
        raise DataError(f"{path} is a file: it must be a folder of folders, one a class")
    if required:
        raise DataError(
            f"there is no {path.name} in {path.parent}: link the photos with "
            f"`ln -sfn /path/to/photos/{path.name} {path}`"
        )
    return False


def _dangling(path: Path, *, required: bool) -> str:
    target = path.readlink()
    return (
        f"{path} is a dangling link: its target {target} is not a folder or file on this host; "
        f"point it to where the data is with `ln -sfn /path/to/{path.name} {path}`"
    ) + ("" if required else f", or remove it with `rm {path}`")
