"""Makes the skeleton of a site: `cfg/` with its files, and two folders of links to the data."""

from __future__ import annotations

from pathlib import Path

from pushfit import installation
from pushfit.container import CONTAINER_ROOT
from pushfit.errors import ConfigError, OutputError, trouble
from pushfit.settings import links, site

FILES = installation.PACKAGE / "settings" / "skeleton"
CFG, IN_CONTAINER, ON_HOST = "cfg", *site.LINK_FOLDERS
# On a host a dangling link is an error, so only the folder for containers has all names.
LINKS = {
    IN_CONTAINER: {name: f"{CONTAINER_ROOT}/{name}" for name in links.LINKS},
    ON_HOST: {name: f"/nvme/{name}" for name in sorted({*links.SHOWN, links.WRITTEN})},
}


def make(folder: Path) -> list[Path]:
    """Write the skeleton into `folder`. Returns the folders that were made.

    Raises ConfigError, before anything is written, if a part of it exists already. Raises
    OutputError if it cannot be written.
    """
    made = [folder / name for name in (CFG, *LINKS)]
    if there := [path.name for path in made if path.exists() or path.is_symlink()]:
        raise ConfigError(
            f"{', '.join(there)}: already in {folder}, and --init overwrites nothing. Move it away "
            "first, or go to another folder"
        )
    try:
        (folder / CFG).mkdir()
        for source in sorted(FILES.glob("[a-z]*.py")):
            (folder / CFG / source.name).write_bytes(source.read_bytes())
        for name, targets in LINKS.items():
            (folder / name).mkdir()
            for link, target in targets.items():
                (folder / name / link).symlink_to(target)
    except OSError as error:
        raise OutputError(f"cannot write the files of a site: {trouble(error)}") from error
    return made
