"""Archives that nobody has unpacked: how they are recognized, and the command that unpacks one."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Iterable
from pathlib import Path

_COMMANDS = {
    ".zip": "unzip {file} -d {folder}",
    ".tar": "tar -xf {file} -C {folder}",
    ".tar.gz": "tar -xf {file} -C {folder}",
    ".tar.bz2": "tar -xf {file} -C {folder}",
    ".tar.xz": "tar -xf {file} -C {folder}",
    ".tgz": "tar -xf {file} -C {folder}",
    ".7z": "7z x {file} -o{folder}",
    ".rar": "unrar x {file} {folder}/",
}
ZIP = b"PK\x03\x04"  # what a zip archive begins with


def among(paths: Iterable[Path]) -> str:
    """A sentence about the first archive among `paths`: how to unpack it; ``""``: none is there."""
    for path in paths:
        if (command := unpacking(path)) and path.is_file():
            return f"there is an archive in it, {path.name}: unpack it with `{command}`"
    return ""


def unpacking(path: Path) -> str:
    """The command that unpacks `path` into its folder; ``""`` if its name is not an archive's."""
    name = path.name.lower()
    command = next((each for end, each in _COMMANDS.items() if name.endswith(end)), "")
    return command.format(file=shlex.quote(str(path)), folder=shlex.quote(str(path.parent)))


def misnamed(path: Path) -> str:
    """A sentence about `path`, a zip archive that has the name of a file of another kind."""
    if _is_spreadsheet(path):
        return f"{path} is a spreadsheet, not a text file: save it as CSV from its program"
    real = path.with_name(f"{path.name}.zip")
    file, moved = shlex.quote(str(path)), shlex.quote(str(real))
    return f"{path} is a zip archive: unpack it with `mv {file} {moved}; {unpacking(real)}`"


def _is_spreadsheet(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return {"xl/workbook.xml", "content.xml"} & set(file.namelist()) != set()
    except (zipfile.BadZipFile, OSError):
        return False
