"""Where tar files lie below a links folder, and what lies beside them.

Tar files may lie in folders of folders. Whether a folder holds tar files or photos is told by the
first files in it, since a look at all would cost as much as the scan of a million photos.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pushfit.errors import DataError, trouble
from pushfit.tasks.folders import DEEPEST, ENDINGS, Leftovers

ENDING = ".tar"
_UNPACKED = {  # by what, so that a plain tar file remains
    ".tar.gz": "gunzip",
    ".tgz": "gunzip",
    ".tar.bz2": "bunzip2",
    ".tbz2": "bunzip2",
    ".tar.xz": "unxz",
    ".txz": "unxz",
    ".tar.zst": "unzstd --rm",
    ".tar.lz4": "unlz4 --rm",
}
COMPRESSED = tuple(_UNPACKED)
FEW = 64  # files that tell what a folder holds
PHOTOS = (*ENDINGS, ".webp", ".bmp", ".gif")


class Held(NamedTuple):
    """What a folder holds: the path of the first thing of each kind; ``""``: there is none.

    tar: a tar file.
    photos: a folder that has photos, or seems to be meant for some.
    compressed: a compressed tar file.
    """

    tar: str = ""
    photos: str = ""
    compressed: str = ""


def held(links: Path, roots: Sequence[str]) -> Held:
    """What these folders of `links` hold. Raises DataError if tar files and photos are mixed."""
    found = Held()
    for root in roots:
        for entry in _entries(links / root):
            where = f"{root}/{entry.name}"
            if entry.is_dir():
                found = _joined(found, _first(links / where, where))
            elif entry.is_file():
                found = _joined(found, _of_file(where))
    if found.tar and found.photos:
        raise DataError(
            f"{links / found.tar} is a tar shard, and {links / found.photos} a folder of photos: "
            "keep either shards or folders of photos there"
        )
    if found.compressed and not found.photos:
        raise DataError(_too_compressed(links / found.compressed))
    return found


def below(links: Path, roots: Sequence[str], left: Leftovers) -> list[str]:
    """The paths of all tar files in these folders, in the order of their records' paths.

    left: takes what lies beside them. Raises DataError.
    """
    found = [path for root in roots for path in _walk(links, root, left, ())]
    return sorted(found, key=lambda path: f"{path}@")


def _walk(
    links: Path, folder: str, left: Leftovers, above: tuple[tuple[int, int], ...]
) -> Iterator[str]:
    with _readable(links / folder):
        status = (links / folder).stat()
        if (here := (status.st_dev, status.st_ino)) in above or len(above) > DEEPEST:
            left.add(f"{folder}/", "a link to a folder that it is in")
            return
        above = *above, here
    for entry in _entries(links / folder):
        where, name = f"{folder}/{entry.name}", entry.name.lower()
        if entry.is_dir():
            yield from _walk(links, where, left, above)
        elif name.endswith(ENDING) and entry.is_file():
            yield where
        elif name.endswith(COMPRESSED):
            raise DataError(_too_compressed(links / where))
        else:
            left.add(where, "beside tar files, and not one")


def _first(folder: Path, path: str, depth: int = 0) -> Held:
    """What the first files in a folder are; if it has none, those in the folders in it."""
    found, inside, is_empty = Held(), [], True
    for entry in islice(_entries(folder), FEW):
        is_empty = False
        if entry.is_dir():
            inside.append(entry.name)
        elif entry.name.lower().endswith(PHOTOS):
            return Held(photos=path)
        else:
            found = _joined(found, _of_file(f"{path}/{entry.name}"))
    for name in inside if depth < DEEPEST else ():
        if any(found):
            break
        found = _first(folder / name, f"{path}/{name}", depth + 1)
    return found if any(found) or depth or is_empty else Held(photos=path)


def _of_file(path: str) -> Held:
    name = path.lower()
    if name.endswith(ENDING):
        return Held(tar=path)
    return Held(compressed=path) if name.endswith(COMPRESSED) else Held()


def _joined(one: Held, other: Held) -> Held:
    return Held(*(mine or theirs for mine, theirs in zip(one, other, strict=True)))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, if it is one, that are not hidden. Raises DataError."""
    with _readable(folder), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            is_tar = entry.name.lower().endswith((ENDING, *COMPRESSED))
            if is_tar and entry.is_symlink() and not (entry.is_file() or entry.is_dir()):
                path = Path(entry.path)
                raise DataError(
                    f"{path} is a dangling link: its target {path.readlink()} is not a file on "
                    "this host; point it to where the tar file is, or remove it"
                )
            yield entry


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {trouble(error)}") from error


def _too_compressed(path: Path) -> str:
    name = path.name.lower()
    command = next(command for ending, command in _UNPACKED.items() if name.endswith(ending))
    return (
        f"{path} is compressed, so its files cannot be read in any order: make it a plain tar file "
        f"with `{command} {shlex.quote(str(path))}`"
    )
