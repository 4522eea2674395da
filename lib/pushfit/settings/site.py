"""What a site edits: the folder `cfg/`, with the hosts' table and defaults of tasks.

    cfg/base.py     HOSTS: which hosts get which settings
    cfg/TASK.py     ROW: the site's defaults for a task, over those that the task brings

The folder is the one that PUSHFIT_CFG names; else `cfg` in the current folder, if it is PushFit's;
else the checkout's. Where there is none, DEFAULT_HOSTS count and no rows of tasks. Its files are
Python that is run: PUSHFIT_CFG and the current folder are the user's own words, and nothing that
comes over the wire or lies in a run leads here.
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
LINK_FOLDERS: Final = ("dockerlinks", "nvmelinks")  # beside cfg/: links to the data


class Host(msgspec.Struct, frozen=True):
    """One row: hosts whose name matches `pattern` (as in a shell: * ? [ab]) get `settings`."""

    pattern: str
    settings: Mapping[str, object]


CONTAINER: Final = "container"  # the pattern of the row that every container matches
DEFAULT_HOSTS: Final = (
    Host(CONTAINER, {"links": "dockerlinks"}),
    Host("*", {"links": "nvmelinks"}),
)


def folder() -> Path | None:
    """The site's folder; None: there is none. Raises ConfigError for a PUSHFIT_CFG without one."""
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
    """What relative paths in the site's files start from: the folder that `cfg/` lies in."""
    found = folder()
    return Path.cwd() if found is None else found.parent


def hosts() -> Sequence[Host]:
    """The rows of the hosts' table. Raises ConfigError for a file that is not one."""
    found = folder()
    if found is None:
        return DEFAULT_HOSTS
    rows = getattr(_run(found / TABLE), "HOSTS", None)
    if not isinstance(rows, Sequence) or not all(isinstance(row, Host) for row in rows):
        raise ConfigError(
            f"{found / TABLE}: HOSTS is to be a tuple of Host(pattern, settings), with "
            "`from pushfit.settings.site import Host`"
        )
    return rows


def row(task: str) -> Mapping[str, object]:
    """ROW of cfg/TASK.py; empty where there is no such file. Raises ConfigError."""
    found = folder()
    path = None if found is None or not task.isidentifier() else found / f"{task}.py"
    if path is None or path.name == TABLE or not path.is_file():
        return {}
    settings = getattr(_run(path), "ROW", {})
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{path}: ROW is to be a dict of settings")
    return settings


def _is_ours(path: Path) -> bool:
    """Whether it is a table of PushFit: other projects have a cfg/base.py, too."""
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
