"""What this host is: its name, whether it is a container, its memory and its cores.

Every function takes the root of the file system, so that a test can hand it another one.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

ROOT = Path("/")
_DOCKER_NAME = re.compile(r"[0-9a-f]{12}")  # what `docker run` calls a container by default
_MARKS = (".dockerenv", "run/.containerenv")  # left by Docker and by Podman


class Machine(msgspec.Struct, frozen=True):
    """`container` says why this is taken for a container; empty on any other host."""

    name: str
    container: str = ""


def container_reason(
    hostname: str, root: Path = ROOT, environ: Mapping[str, str] = os.environ
) -> str:
    """Why a host of this name, file system and environment is a container, or ``""``.

    $container is systemd's convention. Our images set it, as Kubernetes and a read-only Podman
    leave no mark of their own.
    """
    if kind := environ.get("container"):
        return f"its environment has container={kind}"
    for mark in _MARKS:
        if (root / mark).exists():
            return f"/{mark} exists"
    return "its name is 12 hexadecimal digits" if _DOCKER_NAME.fullmatch(hostname) else ""


def this_machine() -> Machine:
    name = socket.gethostname()
    return Machine(name, container_reason(name))


def memory_bytes(root: Path = ROOT) -> int:
    """RAM that this process may use: the machine's, or a lower limit of its control groups.

    A container has a limit at the top of what it sees of them; a job of Slurm or a service of
    systemd, on a path below.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _memory_limits(root):
        try:
            text = limit.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # not "max"
            memory = min(memory, int(text))
    return memory


def _memory_limits(root: Path) -> Iterator[Path]:
    """The files that may hold one, for the control groups of either version, from the top down."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    # A container may see the path that it has on its host, and only the top of it here.
    mine = dict(line.split(":", 2)[1:] for line in lines)
    versions = (("", "", "memory.max"), ("memory", "memory", "memory.limit_in_bytes"))
    for controller, folder, name in versions:
        group = PurePosixPath(mine.get(controller, "/"))
        for each in (*reversed(group.parents), group):
            yield root / "sys/fs/cgroup" / folder / str(each).lstrip("/") / name


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))
