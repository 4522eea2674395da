"""``pushfit doctor``: all that a bug report needs to know about this host, as plain text to paste.

Nothing in it is secret: it shows no values of variables and no content of keys, and it writes the
home folder as ~. If one part fails, its line says so, and the other parts are shown.
"""

from __future__ import annotations

import errno
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import msgspec

from pushfit import __version__, endpoint, host, host_facts, installation, requirements
from pushfit.errors import trouble
from pushfit.settings import links, site
from pushfit.settings.declaration import about
from pushfit.settings.fields import PREFIX, settings_of
from pushfit.settings.links import ReportedLinks
from pushfit.settings.resolve import Resolved, resolve
from pushfit.settings.stream import FleetSettings
from pushfit.text import printable

PROG = "pushfit doctor"
# The code that starts Keras, in a process of its own: it may take long, or crash.
START_KERAS = "import sys; sys.path.insert(0, sys.argv[1]); from pushfit.training import backend; "
START_KERAS += "backend.check_installed(); print(backend.start())"
WIDTH = 14


class DoctorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look at."""

    links: ReportedLinks = "nvmelinks"
    keras: Annotated[
        bool, about("Report", "Start Keras, if it is installed, to see its devices.")
    ] = True
    wait: Annotated[
        float,
        about("Report", "Time limit for the start of Keras.", unit="seconds", gt=0),
    ] = 60.0


def main(argv: Sequence[str]) -> int:
    found = resolve(
        DoctorSettings,
        argv,
        prog=PROG,
        description="Show what a bug report needs to know about this host: versions, devices, "
        "links, ports and limits. Nothing in it is secret.",
    )
    for title, part in _parts(found):
        try:
            lines = list(part())
        except Exception as error:  # an error is a finding, too: the report has to show it
            lines = [f"cannot be found out: {type(error).__name__}: {error}"]
        for number, line in enumerate(lines):
            print(
                printable(_without_home(f"{title if not number else '':{WIDTH}} {line}".rstrip()))
            )
    return 0


def _parts(found: Resolved[DoctorSettings]) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
    settings = found.settings
    yield "PushFit", _pushfit
    yield "Python", _python
    yield "Host", lambda: _host(found.machine)
    yield "Pixels", _pixels
    yield "libturbojpeg", _turbojpeg
    yield "SIMD", _simd
    yield "Packages", _packages
    yield "ZeroMQ", _zeromq
    yield "Back end", lambda: _back_end(settings)
    yield "Site", lambda: _site(found)
    yield "Links", lambda: _links(Path(settings.links), found.machine)
    yield "Ports", _ports
    yield "Open files", _open_files
    yield "Folders", _folders
    yield "Environment", _environment


def _pushfit() -> Iterator[str]:
    from pushfit import tasks
    from pushfit.tasks import compatibility

    top = installation.checkout()
    where = f"checkout {top}" if top else f"installed in {installation.SOURCE}"
    yield f"{__version__}, {where}"
    sources = (f"{name} {compatibility.source_of(tasks.load(name))}" for name in tasks.TASKS)
    yield f"the source that decides samples: {', '.join(sources)}"


def _python() -> Iterator[str]:
    yield f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"


def _host(machine: host_facts.Machine) -> Iterator[str]:
    libc = " ".join(platform.libc_ver()).strip() or "unknown libc"
    yield f"{platform.platform()}, {platform.machine()}, {libc}"
    yield f"{host_facts.cores()} cores, {host_facts.memory_bytes() / 2**30:.1f} GiB of memory"
    yield f"a container: {machine.container}" if machine.container else "not a container"


def _pixels() -> Iterator[str]:
    """The versions that all hosts of a fleet must share."""
    from pushfit.tasks import compatibility

    yield _row(compatibility.libraries().items())


def _turbojpeg() -> Iterator[str]:
    from pushfit.decoding import turbojpeg

    where = turbojpeg.where()
    yield where or "not found in version 3: photos are decoded whole, to the same pixels"


def _simd() -> Iterator[str]:
    import numpy as np
    from PIL import features

    found = np.show_config(mode="dicts")["SIMD Extensions"]
    yield f"numpy: {', '.join([*found.get('baseline', []), *found.get('found', [])]) or 'none'}"
    turbo = features.version("libjpeg_turbo")
    yield f"Pillow: {f'libjpeg-turbo {turbo}' if turbo else 'a libjpeg without SIMD'}"
    if find_spec("cykooz_resizer") is None:
        yield "resizing: Pillow, as cykooz-resizer is not installed"
    else:
        from cykooz_resizer import Resizer

        yield f"resizing: cykooz-resizer, {Resizer().cpu_extensions.name}"


def _packages() -> Iterator[str]:
    """The packages that PushFit may import, a line for each extra that lists them."""
    from pushfit.tasks import compatibility

    seen = set(compatibility.LIBRARIES)
    for extra in requirements.EXTRAS:
        names = [name for name in requirements.listed(extra, optional=True) if name not in seen]
        seen.update(names)
        there = [(name, _version(name)) for name in dict.fromkeys(names)]
        known = [(name, number) for name, number in there if number]
        missing = [name for name, number in there if not number]
        if known and extra not in ("dev", "bench"):
            absent = f"; not installed: {', '.join(missing)}" if missing else ""
            yield f"{_row(known)}{absent}"
        elif missing and extra not in ("dev", "bench"):
            yield f"not installed, of pushfit[{extra}]: {', '.join(missing)}"
    others = [(name, _version(name)) for name in ("jax", "torch")]
    if any(number for _, number in others):
        yield _row((name, number) for name, number in others if number)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _row(versions: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions)


def _zeromq() -> Iterator[str]:
    import zmq

    curve = "with keys (CURVE)" if zmq.has("curve") else "without keys: it has no CURVE"
    yield f"libzmq {zmq.zmq_version()}, {curve}"


def _back_end(settings: DoctorSettings) -> Iterator[str]:
    if name := os.environ.get("KERAS_BACKEND"):
        yield f"KERAS_BACKEND={name}"
    if not requirements.is_there("keras"):
        yield "Keras is not installed: this host can only generate"
        return
    if not settings.keras:
        yield "not started (--no-keras)"
        return
    command = [sys.executable, "-P", "-c", START_KERAS, str(installation.SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=settings.wait)
    except subprocess.TimeoutExpired:
        yield f"Keras did not start within {settings.wait:g} s (--wait)"
        return
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    ended = f" (exit code {done.returncode})" if done.returncode else ""
    yield f"{said[-1] if said else 'it printed nothing'}{ended}"


def _site(found: Resolved[DoctorSettings]) -> Iterator[str]:
    folder = site.folder()
    table = f"{folder}" if folder else "no folder cfg: the default table of hosts"
    yield f"{table}, row {found.host_row!r}"


def _links(folder: Path, machine: host_facts.Machine) -> Iterator[str]:
    reason = links.unusable(folder)
    yield f"{folder} {reason}".rstrip()
    for link in links.inspect(folder, machine):
        state = f"{link.entries:,} in it" if link.state == "fine" else link.state
        yield f"{link.name}{f' -> {link.target}' if link.target else ''}: {state}"


def _ports() -> Iterator[str]:
    """The default ports of a trainer (--bind, and the next), and whether each is free."""
    bind = next(each for each in settings_of(FleetSettings) if each.name == "bind")
    first = endpoint.parse(bind.default, bind=True).port
    yield ", ".join(f"{port} {_port(port)}" for port in (first, first + 1))


def _port(port: int) -> str:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("0.0.0.0", port))
        except OSError as error:
            return "is taken" if error.errno == errno.EADDRINUSE else f"({trouble(error)})"
    return "is free"


def _open_files() -> Iterator[str]:
    soft, hard = (
        "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,}"
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    yield f"{soft}, may be raised to {hard}"


def _folders() -> Iterator[str]:
    places: dict[str, Callable[[], Path]] = {
        "temporary files": lambda: Path(tempfile.gettempdir()),
        "home": Path.home,
        "derived from data": host.cache,
        "this user's state": host.state_home,
        "current folder": Path.cwd,
    }
    for what, where in places.items():
        try:
            path = where()
            yield f"{what}: {path}, {_space(path)}"
        except Exception as error:  # there is no such folder, and the message says what to set
            yield f"{what}: {error}"


def _space(path: Path) -> str:
    there = next(each for each in (path, *path.parents) if each.exists())
    free = f"{shutil.disk_usage(there).free / 1e9:.1f} GB free"
    may = "writable" if os.access(there, os.W_OK | os.X_OK) else "not writable"
    return f"{may}, {free}" if there == path else f"not there yet, {may}, {free}"


def _environment() -> Iterator[str]:
    """The names of the variables that are set, without values: those may hold passwords."""
    names = [name for name in sorted(os.environ) if name.startswith(PREFIX)]
    yield f"set: {', '.join(names)}" if names else f"no variable {PREFIX}…"


def _without_home(text: str) -> str:
    home = os.path.expanduser("~").rstrip("/")  # noqa: PTH111  # pathlib raises if there is none
    return text.replace(home, "~") if home.startswith("/") else text
