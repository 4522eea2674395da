"""A folder of links to the data: where each link points, whether it works, and how to repair it."""

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
# These may be missing, but a link that is there must work.
USED = frozenset((*layout.TRAIN_FOLDERS, *layout.VAL_FOLDERS))
SHOWN = frozenset({"train", "flickr_images", "val_images", "test"})  # shown even if missing
# An image has every link of dockerlinks/, whatever is mounted. So "not mounted" is not a mistake
# for an optional link.
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

    target: where the link points; "": it is a folder, not a link.
    entries: the number of names in that folder; 0 unless `state` is "fine".
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
        """Return whether training would refuse the folder of links because of this one."""
        if self.name in NEEDED:
            return self.state != "fine"
        return self.name in USED and self.state in BROKEN


def inspect(folder: Path, machine: host_facts.Machine) -> list[Link]:
    """The links in `folder`, and those that are expected there, the required ones first."""
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
    """Why `folder` cannot be a folder of links; ``""``: it can."""
    try:
        with os.scandir(folder):
            return ""
    except FileNotFoundError:
        return f"does not exist: mkdir -p {folder}"
    except NotADirectoryError:
        return "is not a folder"
    except OSError as error:
        return trouble(error)


def mend(link: Link, machine: host_facts.Machine) -> str:
    """The command that repairs `link`; in a container, the option of ``docker run``."""
    end = link.target or str(link.path)
    if link.state == "unreadable":
        return f"sudo chmod -R a+rX {end}    (or run as a user who may read it)"
    if is_mount(link, machine):
        return f"-v /path/to/your/{link.name}:{end}" + (":ro" if link.name != WRITTEN else "")
    return f"ln -sfn /path/to/your/{link.name} {near(link.path)}"


def is_mount(link: Link, machine: host_facts.Machine) -> bool:
    """Return whether the folder should have been mounted when the container was started."""
    inside = link.target.startswith(CONTAINER_ROOT + "/")
    return bool(machine.container) and inside and link.state != "unreadable"


def near(path: Path) -> str:
    """`path` as one types it in the current folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _is_readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()
