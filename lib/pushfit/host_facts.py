"""Facts about this host: its name, whether it is a container, its memory and its cores.

The functions that read files take the root of the file system, so that tests can give another.
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
    """A host.

    name: its host name.
    container: the reason why it is taken for a container; ``""``: it is not.
    """

    name: str
    container: str = ""


def container_reason(
    hostname: str, root: Path = ROOT, environ: Mapping[str, str] = os.environ
) -> str:
    """Why a host with this name, file system and environment is a container; ``""``: it is not.

    The variable $container is systemd's convention. Our images set it, since Kubernetes and a
    read-only Podman leave no mark of their own.
    """
    if kind := environ.get("container"):
        return f"its environment has container={kind}"
    for mark in _MARKS:
        if (root / mark).exists():
            return f"/{mark} exists"
    return "its name is 12 hexadecimal digits" if _DOCKER_NAME.fullmatch(hostname) else ""


def this_machine() -> Machine:
    """The host of this process."""
    name = socket.gethostname()
    return Machine(name, container_reason(name))


def memory_bytes(root: Path = ROOT) -> int:
    """RAM that this process may use: that of the machine, or a lower limit of its control groups.

    The limit of a container is at the root of the control groups that it sees; that of a Slurm job
    or a systemd service is on a path below.
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
    """The files that may hold a limit, for both versions of control groups, from the top down."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    # A container may see its path on the host, of which only the top exists here.
    mine = dict(line.split(":", 2)[1:] for line in lines)
    versions = (("", "", "memory.max"), ("memory", "memory", "memory.limit_in_bytes"))
    for controller, folder, name in versions:
        group = PurePosixPath(mine.get(controller, "/"))
        for each in (*reversed(group.parents), group):
            yield root / "sys/fs/cgroup" / folder / str(each).lstrip("/") / name


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))
