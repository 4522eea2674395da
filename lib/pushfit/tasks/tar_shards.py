"""Photos in tar files, in WebDataset's form: a sample is the files of one stem.

    train/shard-0001.tar     n01440764_10026.jpg  n01440764_10026.cls
                             n01440764_10029.jpg  n01440764_10029.json …
    train/more/0002.tar      folders of tar files are searched as well
    val/…, test/…            as in folders

- A stem is a name up to the first dot of its last part. The class of a photo is in the file of its
  stem that ends in .cls, .txt or .json (its key "label" or "cls"); else it is the name of the
  folder in the archive that holds the photo. `classes.txt` in the links folder names classes that
  are numbers, one in each line, and they have the order of its lines.
- A record's path is ``train/shard-0001.tar@000000010240/n01440764_10026.jpg``, where the number is
  the first byte of the photo in the archive. So a record alone is enough to read it, in any order.
- What lies where in an archive is found out once (`tar_index`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pushfit import regular
from pushfit.errors import BadRecord, DataError
from pushfit.layout import TEST_FOLDER, TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.tasks import folders, tar_files, tar_headers, tar_index
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet, Record, RecordTable
from pushfit.tasks.class_names import natural
from pushfit.tasks.folders import Leftovers
from pushfit.tasks.labelled_records import LabelledRecords
from pushfit.tasks.selection import Selection

NAMES = "classes.txt"
_MEMBER = re.compile(r"(.+?\.tar)@([0-9]{12,18})/(.*)", re.DOTALL | re.IGNORECASE)


class Member(NamedTuple):
    """A file in an archive.

    archive: path of the archive below the links folder.
    offset: where the file begins, in bytes.
    name: of the file in the archive.
    """

    archive: str
    offset: int
    name: str

    @property
    def path(self) -> str:
        """The path of its record."""
        return f"{self.archive}@{self.offset:012}/{self.name}"


def member(path: str) -> Member | None:
    """The file in an archive that the path of a record means; None: it is a file by itself."""
    found = _MEMBER.fullmatch(path)
    return Member(found[1], int(found[2]), found[3]) if found else None


def read(links: Path, record: Record, where: Member) -> bytes:
    """The bytes of the record. Raises OSError, also if the archive has another file there."""
    path, begin = links / where.archive, where.offset - tar_headers.BLOCK
    if begin < 0:
        raise BadRecord(f"{record.path}: no file of an archive begins at byte {where.offset}")
    with regular.opened(path) as file:
        file.seek(begin)
        head, data = file.read(tar_headers.BLOCK), file.read(record.size)
    if len(data) != record.size:
        raise regular.changed(path, f"it ends before byte {where.offset + record.size:,}")
    if tar_headers.size_in(head) != record.size:
        raise regular.changed(path, f"no file of {record.size:,} bytes is at {where.offset:,}")
    return data


def scan(
    links: Path,
    listed: Sequence[str],
    held_out: float,
    selection: Selection,
) -> DataSet:
    """The data set of the archives below `links`. Raises DataError.

    Its arguments are those of `layouts.scan`.
    """
    left, records = Leftovers(), LabelledRecords(f"{links / TRAIN_FOLDERS[0]} (tar shards)")
    names, numbers = _names(links), dict[str, int]()
    found = _validation_folder(links)
    for split, roots in ((TRAIN, TRAIN_FOLDERS), (VAL, (found,) if found else ())):
        unlabelled, first = 0, ""
        for archive in tar_files.below(links, roots, left):
            numbers[archive] = len(numbers)
            for name, offset, size, label in _members(links, archive, left):
                if not label:
                    unlabelled, first = unlabelled + 1, first or f"{archive}: {name}"
                elif reason := selection.refuses(f"{archive}/{name}"):
                    left.add(f"{archive}/{name}", reason)
                else:
                    path = Member(archive, offset, name).path
                    records.add(split, path, size, _named(label, names))
        if unlabelled:
            raise DataError(
                f"{unlabelled:,} photos in tar shards have no label (first {first}): give each a "
                "file of the same name that ends in .cls and holds its class, or a folder in the "
                "archive that is named like its class"
            )
    for entry, reason in selection.unmatched():
        left.add(entry, reason)

    def group(path: str) -> int:
        where = member(path)
        assert where is not None  # it is a path that was made above
        return numbers[where.archive]

    def place(name: str) -> tuple[int, Any]:
        return places.get(name, len(places)), natural(name)

    places = {name: number for number, name in enumerate(names)}
    validation = f"the folder {found}" if found else "none"
    data = records.data_set(listed, held_out, left.listed(), validation, group, place)
    folders.siblings(links, left, (NAMES,))
    return msgspec.structs.replace(data, unused=left.listed())


def scan_test(links: Path) -> DataSet | None:
    """The photos of the archives in test, in their order; None: there are no archives."""
    if not tar_files.held(links, (TEST_FOLDER,)).tar:
        return None
    left = Leftovers()
    records = RecordTable.of(
        Record(Member(archive, offset, name).path, size, 0)
        for archive in tar_files.below(links, (TEST_FOLDER,), left)
        for name, offset, size, _ in _members(links, archive, left)
    )
    if not len(records):
        raise DataError(f"the tar files in {links / TEST_FOLDER} hold no photos to predict")
    return DataSet(("unlabelled",), {TEST: records}, left.listed())


def _validation_folder(links: Path) -> str:
    """The folder with archives to validate on; ``""``: there is none. Raises DataError."""
    found = [name for name in VAL_FOLDERS if tar_files.held(links, (name,)).tar]
    if len(found) > 1:
        raise DataError(
            f"{found[0]} and {found[1]} are both in {links}, but only one can be validated on: "
            "rename or remove the other"
        )
    return found[0] if found else ""


def _members(links: Path, archive: str, left: Leftovers) -> Iterator[tuple[str, int, int, str]]:
    """(name, offset, bytes, label or ``""``) of the photos in an archive, by offset."""
    index = tar_index.of(links / archive)
    for reason, (count, first) in index.unused.items():
        left.add(f"{archive}/{first}".rstrip("/"), reason, count)
    yield from zip(index.names, index.offsets, index.sizes, index.labels, strict=True)


def _names(links: Path) -> list[str]:
    """The lines of `classes.txt`; none: there is no such file."""
    try:
        text = (links / NAMES).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{links / NAMES} cannot be read: {error}") from error
    names = [line.strip() for line in text.rstrip().splitlines()]
    lines = dict[str, int]()
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(
                f"{links / NAMES}, line {number} is empty: each line is the name of a class, from "
                "class 0 on"
            )
        if (first := lines.setdefault(name, number)) < number:
            raise DataError(
                f"{links / NAMES} has {name!r} in the lines {first} and {number}: two classes need "
                "two names"
            )
    return names


def _named(label: str, names: Sequence[str]) -> str:
    if not names or not (label.isascii() and label.isdigit()):
        return label
    if int(label) >= len(names):
        raise DataError(
            f"{NAMES} has {len(names)} lines, and a photo has the class {label}, counted from 0: "
            "add the missing names"
        )
    return names[int(label)]
