"""The folder `cfg/` of a site, with the table of hosts and the defaults of tasks.

    cfg/base.py     HOSTS: which hosts get which settings
    cfg/TASK.py     ROW: the site's defaults for a task, over those that the task brings

The folder is the one that PUSHFIT_CFG names; else `cfg` in the current folder, if it is one of
PushFit; else that of the checkout. If there is none, DEFAULT_HOSTS is the table, and tasks have no
rows. The files are Python and are run. Only the user chooses the folder, by PUSHFIT_CFG or the
current folder; no message of the wire and no file of a run does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from pushfit import installation
from pushfit.errors import ConfigError, raised

VARIABLE = "PUSHFIT_CFG"
TABLE = "base.py"
LINK_FOLDERS: Final = ("dockerlinks", "nvmelinks")  # folders of links to the data, beside cfg/


class Host(msgspec.Struct, frozen=True):
    """A row of the table: hosts whose name matches `pattern` get `settings`.

    A pattern is one of a shell, with * ? and [ab].
    """

    pattern: str
    settings: Mapping[str, object]


CONTAINER: Final = "container"  # the pattern of the row that every container matches
DEFAULT_HOSTS: Final = (
    Host(CONTAINER, {"links": "dockerlinks"}),
    Host("*", {"links": "nvmelinks"}),
)


def folder() -> Path | None:
    """The folder of the site; None: there is none. Raises ConfigError if PUSHFIT_CFG is wrong."""
    if named := os.environ.get(VARIABLE):
        path = Path(named).absolute()
        if not (path / TABLE).is_file():
            raise ConfigError(
                f"{VARIABLE}={named}: there is no {TABLE} in it; `pushfit config --init` makes a "
                "folder cfg with one in the current folder"
            )
        return path
    here = Path.cwd() / "cfg"
    if _is_ours(here / TABLE):
        return here
    top = installation.checkout()
    return top / "cfg" if top is not None and (top / "cfg" / TABLE).is_file() else None


def root() -> Path:
    """The folder that contains `cfg/`. Relative paths in the files of `cfg/` start there."""
    found = folder()
    return Path.cwd() if found is None else found.parent


def hosts() -> Sequence[Host]:
    """The rows of the table of hosts. Raises ConfigError if the file has no valid table."""
    found = folder()
    if found is None:
        return DEFAULT_HOSTS
    rows = getattr(_run(found / TABLE), "HOSTS", None)
    if not isinstance(rows, Sequence) or not all(isinstance(row, Host) for row in rows):
        raise ConfigError(
            f"{found / TABLE}: HOSTS must be a tuple of Host(pattern, settings), with "
            "`from pushfit.settings.site import Host`"
        )
    return rows


def row(task: str) -> Mapping[str, object]:
    """ROW of cfg/TASK.py; empty if there is no such file. Raises ConfigError."""
    found = folder()
    path = None if found is None or not task.isidentifier() else found / f"{task}.py"
    if path is None or path.name == TABLE or not path.is_file():
        return {}
    settings = getattr(_run(path), "ROW", {})
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{path}: ROW must be a dict of settings")
    return settings


def _is_ours(path: Path) -> bool:
    """Return whether a file is a table of PushFit. Other projects have a cfg/base.py, too."""
    try:
        return "pushfit" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


@cache
def _run(path: Path) -> ModuleType:
    name = f"pushfit_cfg_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path}: {raised(error, str(path))}") from error
    return module
