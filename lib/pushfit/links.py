"""A check of the links folder. Its errors name the flag and what was probably meant."""

from __future__ import annotations

from pathlib import Path

from pushfit import archives, layout
from pushfit.errors import DataError, nearest, trouble

MOST = 1000  # entries of a folder that are looked at, to guess what the folder is


def check(links: Path) -> None:
    """Raise DataError if `links` is not a folder that can be read."""
    try:
        if links.is_dir():
            next(links.iterdir(), None)
            return
        there = links.exists() or links.is_symlink()
    except OSError as error:
        raise DataError(f"--links {links}: {trouble(error)}") from error
    if links.is_symlink() and not links.exists():
        raise DataError(
            f"--links {links} is a dangling link: its target {links.readlink()} is not on this host"
        )
    if there and (command := archives.unpacking(links)):
        raise DataError(
            f"--links {links} is an archive: unpack it with `{command}`, and give the folder that "
            "this makes"
        )
    if there:
        raise DataError(
            f"--links {links} is a file: give the folder that it lies in, --links {links.parent}"
        )
    raise DataError(f"--links {links} does not exist{_sibling(links)}")


def _sibling(links: Path) -> str:
    """The folder beside `links` that was probably meant, or what the flag is for."""
    above = links.parent
    while not above.is_dir() and above != above.parent:
        above = above.parent
    missing = links.relative_to(above).parts[0]
    try:
        names = [path.name for path in some(above) if path.is_dir()]
    except OSError:
        names = []
    if near := nearest(missing, names):
        return near
    return (
        ": it is the folder that holds your data, or links to it (train, val, …); "
        f"{above} is there, and has no {missing}"
    )


def without_train(links: Path) -> str:
    """Advice for a `links` folder without `train`: what it may be instead, or how to make `train`.

    It may be the folder of the classes itself, or hold an archive that nobody has unpacked.
    """
    found = some(links)
    if links.name in layout.KNOWN and any(path.is_dir() for path in found):
        return f", did you mean --links {links.parent}?"
    if archive := archives.among(found):
        return f": {archive}"
    if near := nearest("train", [path.name for path in found if path.is_dir()]):
        return f"{near} Folders have to be called train, val, …"
    return f": link the photos with `ln -sfn /path/to/photos/train {links / 'train'}`"


def some(folder: Path) -> list[Path]:
    """The entries of `folder` that are not hidden, sorted; at most MOST."""
    found = []
    for path in folder.iterdir():
        if not path.name.startswith("."):
            found.append(path)
        if len(found) >= MOST:
            break
    return sorted(found)
