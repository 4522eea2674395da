"""What this host is: its name, whether it is a container, its memory and its cores.

Every function takes the root of the file system, so that a test can hand it another one.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import msgspec

ROOT = Path("/")
_DOCKER_NAME = re.compile(r"[0-9a-f]{12}")  # what `docker run` calls a container by default
_MARKS = (".dockerenv", "run/.containerenv")  # left by Docker and by Podman


class Machine(msgspec.Struct, frozen=True):
    """`container` says why this is taken for a container; empty on any other host."""

    name: str
    container: str = ""


def container_reason(hostname: str, root: Path = ROOT) -> str:
    """Why a host of this name and file system is a container, or ``""`` when it is none."""
    for mark in _MARKS:
        if (root / mark).exists():
            return f"/{mark} exists"
    return "its name is 12 hexadecimal digits" if _DOCKER_NAME.fullmatch(hostname) else ""


def this_machine() -> Machine:
    name = socket.gethostname()
    return Machine(name, container_reason(name))


def memory_bytes(root: Path = ROOT) -> int:
    """RAM that this process may use: the machine's, or its control group's limit when lower."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = (root / limit).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # not "max"
            memory = min(memory, int(text))
    return memory


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))
