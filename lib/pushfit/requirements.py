"""Which packages have to be installed, and the advice for a missing one. Standard library only.

pyproject.toml is the only list of packages: those that every program needs, and the extras that
some programs need as well (`train`, `serve`, …). A checkout reads that file; an installed package
reads its own metadata. Requirements with a marker (``; platform_machine == …``) are optional.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pushfit import installation

OLDEST = (3, 11)
BASE = ""  # the name here of what every program needs, which belongs to no extra
# In the order in which they are searched: the first that lists a package is the one to install.
EXTRAS = (BASE, "hdf5", "train", "serve", "mlflow", "sample", "zoo", "dev", "bench")
# Distributions whose module has another name than the distribution, apart from _ in place of -.
MODULES = {
    "pillow": "PIL",
    "pyzmq": "zmq",
    "scikit-learn": "sklearn",
    "opencv-python-headless": "cv2",
    "mlflow-skinny": "mlflow",
}
# Modules that we import and that another package brings: FastAPI stands on Starlette.
BROUGHT = {"starlette": "fastapi"}
IMAGE = "PUSHFIT_IMAGE"  # set in an image: which of the Dockerfile's targets it is
OURS = frozenset({"pushfit", "bench", "tests"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"""extra\s*==\s*["']([a-z0-9]+)["']""")


@cache
def requirements() -> Mapping[str, Sequence[str]]:
    """{extra: its requirements, as pip reads them}; BASE has what every program needs."""
    top = installation.checkout()
    if top is not None:
        import tomllib  # imported here, since an installed program does not need it

        project = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {BASE: project["dependencies"], **project["optional-dependencies"]}
    from importlib.metadata import PackageNotFoundError, requires

    found: dict[str, list[str]] = {}
    try:
        lines = requires("pushfit") or []
    except PackageNotFoundError:  # the package was copied by hand, and has no metadata
        lines = []
    for line in lines:
        extra = _EXTRA.search(line)
        text = line.replace(extra[0], "").strip(" ;") if extra else line
        found.setdefault(extra[1] if extra else BASE, []).append(re.sub(r"\s+and$", "", text))
    return found


def listed(extra: str, *, optional: bool = False) -> list[str]:
    """The distributions that `extra` names, and those of the extras which it includes."""
    found: list[str] = []
    for line in requirements().get(extra, ()):
        words = line.replace(" ", "")
        if words.startswith("pushfit["):
            for inner in words.removeprefix("pushfit[").partition("]")[0].split(","):
                found += listed(inner, optional=optional)
        elif (name := _NAME.match(words)) and (optional or ";" not in words):
            found.append(name[0].lower())
    return found


def missing(extra: str = BASE) -> list[str]:
    """The distributions of `extra` that are not installed."""
    return [name for name in listed(extra) if not is_there(_module(name))]


def is_there(module: str) -> bool:
    """Return whether the module is installed, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # somebody's import hook may raise these
        return False


def _module(name: str) -> str:
    return MODULES.get(name, name.replace("-", "_"))


def explained(error: ModuleNotFoundError) -> str:
    """What to install for the module that `error` misses; ``""`` if we do not list its package."""
    module = (error.name or "").partition(".")[0]
    module = BROUGHT.get(module, module)
    for extra in EXTRAS if module not in OURS else ():
        for name in listed(extra, optional=True):
            if _module(name) == module:
                return advice([name], extra)
    return ""


def advice(names: Sequence[str], extra: str) -> str:
    """A sentence that `names` are not installed, with the command that installs `extra`."""
    one = len(names) == 1
    text = (
        f"the package{'' if one else 's'} {', '.join(names)} {'is' if one else 'are'} not "
        f"installed for this Python ({sys.executable}, {sys.version.split()[0]})"
    )
    if image := os.environ.get(IMAGE):
        target = "serve" if extra == "serve" else "trainer"
        return (
            f"{text}: this is the {image} image. Build the one that has "
            f"{'it' if one else 'them'}: docker build --target {target} ."
        )
    top = installation.checkout()
    if top is None:
        return f"{text}: run `{sys.executable} -m pip install '{of(extra)}'`"
    own = top / ".venv" / "bin" / "python"
    command = f"pip install -e '.{of(extra).removeprefix('pushfit')}' -c constraints.txt"
    if own.exists() and Path(sys.prefix).resolve() != (top / ".venv").resolve():
        return (
            f"{text}. There is an environment in {own.parent.parent}: enter it with "
            f"`. {own.parent}/activate`, and if the package is missing there as well, run "
            f"`{command}` in {top}"
        )
    return f"{text}: run `{sys.executable} -m {command}` in {top}"


def of(extra: str) -> str:
    """The name that pip installs `extra` by: ``pushfit[train]``."""
    return f"pushfit[{extra}]" if extra else "pushfit"


def check() -> None:
    """End the program with advice if Python is too old or a package is missing."""
    if sys.version_info < OLDEST:
        sys.exit(
            f"error: PushFit needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and this is "
            f"{sys.version.split()[0]} ({sys.executable}): make an environment with a newer one, "
            "e.g. python3.12 -m venv .venv"
        )
    # Only a checkout may lack a package: pip installs all of them.
    if installation.checkout() is not None and (names := missing()):
        print(f"error: {advice(names, BASE)}", file=sys.stderr)
        sys.exit(2)
