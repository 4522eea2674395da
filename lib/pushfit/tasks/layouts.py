"""How labelled photos may lie behind a links folder: in folders, in tar shards, or in a list.

    train/CLASS/…            folders, one for each class (`folders`)
    train/*.tar              tar shards (`tar_shards`)
    photos.csv, .jsonl       a list, which a setting names, or the only one beside no train
                             (`image_lists`)

Classes are sorted naturally: class2 comes before class10.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pushfit import regular
from pushfit.links import check as check_links
from pushfit.tasks import folders, image_lists, tar_shards
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
    if tar_shards.there(links):
        return tar_shards.scan(links, listed, held_out, selection)
    return folders.scan(links, listed, held_out, selection=selection, order=natural)


def scan_test(links: Path, *, list_file: str = "") -> DataSet:
    """The photos to predict. Raises DataError."""
    if list_file:
        return image_lists.scan_test(links, list_file)
    return tar_shards.scan_test(links) or folders.scan_test(links)


def read(links: Path, record: Record) -> bytes:
    """The bytes of a photo. Raises OSError, also if the file has changed."""
    if where := tar_shards.member(record.path):
        return tar_shards.read(links, record, where)
    return regular.read(links / record.path, record.size)


def class_in(path: str) -> str:
    """The folder of a test record, which may name its class; ``""``: it lies in none."""
    if where := tar_shards.member(path):
        return where.name.rpartition("/")[0].rpartition("/")[2]
    return folders.class_folder(path)
