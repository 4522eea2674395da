"""How labelled photos may lie behind a links folder: in folders, in tar shards, or in a list.

    train/CLASS/…            folders, one for each class (`folders`)
    train/*.tar              tar shards (`tar_shards`), also in folders
    photos.csv, .jsonl       a list, which a setting names, or the only one beside no train
                             (`image_lists`)

Classes are sorted naturally: class2 comes before class10.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pushfit import archives, regular
from pushfit.errors import DataError
from pushfit.layout import TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.links import check as check_links
from pushfit.links import some
from pushfit.tasks import folders, image_lists, tar_files, tar_shards
from pushfit.tasks.base import DataSet, Record
from pushfit.tasks.class_names import natural
from pushfit.tasks.selection import Selection


def scan(
    links: Path,
    *,
    listed: Sequence[str] = (),
    held_out: float = 0.0,
    selection: Selection | None = None,
    list_file: str = "",
) -> DataSet:
    """The data set behind `links`. Raises DataError.

    listed: the classes in their order; empty: those of the data, sorted naturally.
    held_out: the share of each class to validate on if nothing is for that.
    selection: which photos are used; None: all.
    list_file: the file in `links` that lists the photos; ``""``: there may be one.
    """
    check_links(links)
    selection = selection or Selection()
    if name := list_file or image_lists.only(links):
        return image_lists.scan(links, name, listed, held_out, selection)
    if _in_shards(links):
        return tar_shards.scan(links, listed, held_out, selection)
    return folders.scan(links, listed, held_out, selection=selection, order=natural)


def scan_test(links: Path, *, list_file: str = "") -> DataSet:
    """The photos to predict. Raises DataError."""
    check_links(links)
    if name := list_file or image_lists.only_for_test(links):
        return image_lists.scan_test(links, name)
    return tar_shards.scan_test(links) or folders.scan_test(links)


def read(links: Path, record: Record) -> bytes:
    """The bytes of a photo. Raises OSError, also if the file has changed."""
    if where := tar_shards.member(record.path):
        return tar_shards.read(links, record, where)
    return regular.read(links / record.path, record.size)


def class_in(path: str) -> str:
    """The folder of a test record, which may name its class; ``""``: it lies in none."""
    if where := tar_shards.member(path):
        return PurePosixPath(where.name).parent.name
    return folders.class_folder(path)


def _in_shards(links: Path) -> bool:
    """Return whether the photos lie in tar shards. Raises DataError if they lie in both."""
    train, val = tar_files.held(links, TRAIN_FOLDERS), tar_files.held(links, VAL_FOLDERS)
    if train.tar and val.photos:
        both = train.tar, val.photos
    elif train.photos and val.tar:
        both = val.tar, train.photos
    else:
        _told_of_archive(links)
        return bool(train.tar)
    raise DataError(
        f"{links / both[0]} is a tar shard, and {links / both[1]} a folder of photos: train and "
        "what is validated on must either be both in shards or both in folders of photos"
    )


def _told_of_archive(links: Path) -> None:
    """Raise DataError if there is no train, but a tar file, which may be meant for it."""
    if os.path.lexists(links / TRAIN_FOLDERS[0]):
        return
    tars = [path for path in some(links) if path.name.lower().endswith(tar_files.ENDING)]
    if tars:
        tar, folder = shlex.quote(str(tars[0])), shlex.quote(str(links / TRAIN_FOLDERS[0]))
        raise DataError(
            f"there is no train, and {tars[0]} is a tar shard in the links folder itself: put the "
            f"shards to train on into {links / TRAIN_FOLDERS[0]} with `mkdir {folder}; mv {tar} "
            f"{folder}`; if it holds the folder train, unpack it with "
            f"`{archives.unpacking(tars[0])}`"
        )
