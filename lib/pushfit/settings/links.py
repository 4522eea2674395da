"""A folder of links to the data: where each points, what is wrong with it, how to mend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from pushfit import host_facts, layout
from pushfit.container import CONTAINER_ROOT
from pushfit.errors import trouble
from pushfit.settings.declaration import Placed, about

LINKS = layout.KNOWN
WRITTEN = layout.STORED_FOLDER
NEEDED = frozenset({"train"})
# Not having them is fine, half having them is not.
USED = frozenset((*layout.TRAIN_FOLDERS, *layout.VAL_FOLDERS))
SHOWN = frozenset({"train", "flickr_images", "val_images", "test"})  # also where they are not there
# In an image every link of dockerlinks/ stands, whatever is mounted: for an optional one that is no
# mistake.
BROKEN = frozenset({"dangling", "unreadable", "a file"})
State = Literal["fine", "empty", "dangling", "not mounted", "missing", "unreadable", "a file"]
ReportedLinks: TypeAlias = Annotated[
    str,
    about(
        "Data",
        "Folder of symbolic links to report on.",
        unit="path",
        placed=Placed.LINKS,
    ),
]


class Link(msgspec.Struct, frozen=True):
    """One name in a links folder.

    target: what the link says, or "" for a folder that stands there itself.
    entries: names in the folder at its end; 0 unless `state` is "fine".
    """

    path: Path
    target: str
    state: State
    entries: int = 0

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def wrong(self) -> bool:
        """Whether training would refuse this folder of links because of it."""
        if self.name in NEEDED:
            return self.state != "fine"
        return self.name in USED and self.state in BROKEN


def inspect(folder: Path, machine: host_facts.Machine) -> list[Link]:
    """What stands in `folder`, and what should; the needed ones first. Follows no deeper."""
    present = {path.name for path in folder.iterdir()} if _is_readable(folder) else set()
    names = [*LINKS, *sorted(name for name in present - set(LINKS) if not name.startswith("."))]
    return [look(folder / name, machine) for name in names if name in SHOWN | present]


def look(path: Path, machine: host_facts.Machine) -> Link:
    target = ""
    try:
        target = str(path.readlink()) if path.is_symlink() else ""
        with os.scandir(path) as entries:
            count = sum(1 for _ in entries)
    except FileNotFoundError:
        mount = bool(machine.container) and target.startswith(CONTAINER_ROOT + "/")
        return Link(path, target, "not mounted" if mount else "dangling" if target else "missing")
    except NotADirectoryError:
        return Link(path, target, "a file")
    except OSError:  # no permission, a loop of links, a file server that is gone
        return Link(path, target, "unreadable")
    return Link(path, target, "fine" if count else "empty", count)


def unusable(folder: Path) -> str:
    """Why `folder` cannot be a folder of links, or ``""``."""
    try:
        with os.scandir(folder):
            return ""
    except FileNotFoundError:
        return f"is not there: mkdir -p {folder}"
    except NotADirectoryError:
        return "is not a folder"
    except OSError as error:
        return trouble(error)


def mend(link: Link, machine: host_facts.Machine) -> str:
    """The command that would give `link` data; in a container, the option of ``docker run``."""
    end = link.target or str(link.path)
    if link.state == "unreadable":
        return f"sudo chmod -R a+rX {end}    (or run as a user who may read it)"
    if is_mount(link, machine):
        return f"-v /path/to/your/{link.name}:{end}" + (":ro" if link.name != WRITTEN else "")
    return f"ln -sfn /path/to/your/{link.name} {near(link.path)}"


def is_mount(link: Link, machine: host_facts.Machine) -> bool:
    """Whether the folder is one that the container should have been started with."""
    inside = link.target.startswith(CONTAINER_ROOT + "/")
    return bool(machine.container) and inside and link.state != "unreadable"


def near(path: Path) -> str:
    """`path` as it is typed from the current folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _is_readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()
