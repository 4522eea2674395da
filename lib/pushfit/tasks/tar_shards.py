"""Photos in tar files, in WebDataset's form: a sample is the files of one stem.

    train/shard-0001.tar     n01440764_10026.jpg  n01440764_10026.cls
                             n01440764_10029.jpg  n01440764_10029.json …
    val/…, test/…            as in folders

- A stem is a name up to the first dot of its last part. The class of a photo is in the file of its
  stem that ends in .cls, .txt or .json (its key "label" or "cls"); else it is the name of the
  folder in the archive that holds the photo. `classes.txt` in the links folder names classes that
  are numbers, one in each line.
- A record's path is ``train/shard-0001.tar@000000010240/n01440764_10026.jpg``, where the number is
  the first byte of the photo in the archive. So a record alone is enough to read it, in any order.
- What lies where in an archive is found out once (`tar_index`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pushfit import regular
from pushfit.errors import DataError, trouble
from pushfit.layout import TEST_FOLDER, TRAIN_FOLDERS, VAL_FOLDERS
from pushfit.tasks import tar_index
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet, Record, RecordTable
from pushfit.tasks.folders import Leftovers
from pushfit.tasks.labelled_records import LabelledRecords
from pushfit.tasks.selection import Selection

ENDING = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
NAMES = "classes.txt"
_MEMBER = re.compile(r"(.+?\.tar)@([0-9]{12})/(.*)", re.DOTALL | re.IGNORECASE)


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
    """The bytes of the record. Raises OSError, also if the archive has become shorter."""
    path = links / where.archive
    with regular.opened(path) as file:
        file.seek(where.offset)
        data = file.read(record.size)
    if len(data) != record.size:
        raise regular.changed(path, f"it ends before byte {where.offset + record.size:,}")
    return data


def there(links: Path) -> bool:
    """Return whether the training folders hold archives. Raises DataError."""
    train = links / TRAIN_FOLDERS[0]
    if not train.exists() and (stray := next(_archives(links, "."), "")):
        raise DataError(
            f"{links / stray} is a tar shard in the links folder itself: put the shards to train "
            f"on into {train}"
        )
    found = next((path for folder in TRAIN_FOLDERS for path in _archives(links, folder)), "")
    if found and (beside := next(filter(Path.is_dir, (links / found).parent.iterdir()), None)):
        raise DataError(
            f"{links / found} is a tar shard, and {beside} a folder: keep either shards or folders "
            "of photos in it"
        )
    return bool(found)


def scan(links: Path, listed: Sequence[str], held_out: float, selection: Selection) -> DataSet:
    """The data set of the archives below `links`. Raises DataError."""
    left, records = Leftovers(), LabelledRecords(f"{links / TRAIN_FOLDERS[0]} (tar shards)")
    names, numbers = _names(links), dict[str, int]()
    found = [folder for folder in VAL_FOLDERS if any(True for _ in _archives(links, folder))]
    if len(found) > 1:
        raise DataError(
            f"{found[0]} and {found[1]} are both in {links}, but only one can be validated on: "
            "rename or remove the other"
        )
    for split, folders in ((TRAIN, TRAIN_FOLDERS), (VAL, found)):
        unlabelled, first = 0, ""
        for archive in _sorted(links, folders):
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

    validation = f"the folder {found[0]}" if found else "none"
    return records.data_set(listed, held_out, left.listed(), validation, group)


def scan_test(links: Path) -> DataSet | None:
    """The photos of the archives in test, in their order; None: there are no archives."""
    archives, left = _sorted(links, (TEST_FOLDER,)), Leftovers()
    if not archives:
        return None
    records = RecordTable.of(
        Record(Member(archive, offset, name).path, size, 0)
        for archive in archives
        for name, offset, size, _ in _members(links, archive, left)
    )
    if not len(records):
        raise DataError(f"the tar files in {links / TEST_FOLDER} hold no photos to predict")
    return DataSet(("unlabelled",), {TEST: records}, left.listed())


def _members(links: Path, archive: str, left: Leftovers) -> Iterator[tuple[str, int, int, str]]:
    """(name, offset, bytes, label or ``""``) of the photos in an archive, by offset."""
    index = tar_index.of(links / archive)
    for reason, (count, first) in index.unused.items():
        left.add(f"{archive}/{first}", reason, count)
    yield from zip(index.names, index.offsets, index.sizes, index.labels, strict=True)


def _sorted(links: Path, folders: Sequence[str]) -> list[str]:
    """The paths of all archives in these folders, in the order of their records' paths."""
    found = [path for folder in folders for path in _archives(links, folder)]
    return sorted(found, key=lambda path: f"{path}@")


def _archives(links: Path, folder: str) -> Iterator[str]:
    """The paths of the archives in a folder. Raises DataError."""
    try:
        entries = sorted((links / folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(f"{links / folder} cannot be read: {trouble(error)}") from error
    for path in entries:
        where, name = f"{folder}/{path.name}", path.name.lower()
        if name.startswith("."):
            continue
        if name.endswith(ENDING) and path.is_file():
            yield where
        elif name.endswith(COMPRESSED) and path.is_file():
            raise DataError(
                f"{links / where} is compressed, so its files cannot be read in any order: "
                f"unpack it, or make it a plain tar"
            )


def _names(links: Path) -> list[str]:
    """The lines of `classes.txt`; none: there is no such file."""
    try:
        text = (links / NAMES).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{links / NAMES} cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _named(label: str, names: Sequence[str]) -> str:
    if not names or not (label.isascii() and label.isdigit()):
        return label
    if int(label) >= len(names):
        raise DataError(
            f"{NAMES} has {len(names)} lines, and a photo has the class {label}, counted from 0: "
            "add the missing names"
        )
    return names[int(label)]
