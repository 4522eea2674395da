"""Advice for a process in a container: which mount, key, user or port it needs.

A process cannot find out whether the ports of its container are published, so the advice says who
cannot connect if they are not. The options are those of `docker run` and `podman run`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pushfit import host_facts

CONTAINER_ROOT = "/data"  # the links of dockerlinks/ point into this folder


def inside() -> bool:
    """Return whether this is a container, by the rule that chooses the links folder, too."""
    return bool(host_facts.this_machine().container)


def unmounted(link: Path) -> str:
    """How to mount what `link` points to, if it dangles and this is a container; else ``""``."""
    if not link.is_symlink() or link.exists() or not inside():
        return ""
    target = str(link.readlink())
    if not target.startswith(CONTAINER_ROOT + "/"):
        return ""
    return (
        f"nothing is mounted at {target}, where {link} points: start the container with "
        f"-v /path/to/your/{link.name}:{target}:ro, or, for a DIR that holds {link.name}, with "
        f"-v DIR:{CONTAINER_ROOT}:ro"
    )


def key_owner(uid: int, gid: int) -> str:
    """How a container gets to read a key of another owner; ``""`` outside of a container."""
    if not inside():
        return ""
    me = os.geteuid()
    if uid == 0:
        return (
            f"; or, where it is a secret of the container, give that an owner and a mode: "
            f"uid {me}, mode 0400 (podman run --secret NAME,uid={me},mode=0400)"
        )
    return (
        f"; or start the container as that user: --user {uid}:{gid} "
        f"(compose: PUSHFIT_UID={uid} PUSHFIT_GID={gid})"
    )


def no_keys(folder: Path) -> str:
    """How a trainer in a container gets its folder of keys; ``""`` outside of a container."""
    if not inside():
        return ""
    return (
        f". In a container: -v /path/to/your/keys:{folder.absolute()}:ro, and --user with the uid "
        "of their owner"
    )


def volume(folder: Path) -> str:
    """How to mount a volume that keeps `folder`; ``""`` outside of a container."""
    return f"; in a container, mount a volume: -v runs:{folder.absolute()}" if inside() else ""


def fleeting(folder: Path) -> str:
    """A warning if `folder` is in the container's own layer, and so is removed with it."""
    if not inside() or folder.stat().st_dev != Path("/").stat().st_dev:
        return ""
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    if not any(words[4] == "/" and "overlay" in words for words in mounts):
        return ""  # this machine has no layers, although it was made from an image
    where = folder.parent.absolute()
    return f"{folder} is lost when this container is removed: mount a volume, -v runs:{where}"


def publish(control: int, data: int) -> str:
    """How to make a trainer in a container reachable from outside of the container's network."""
    return f"publish both its ports: -p {control}:{control} -p {data}:{data}"


def unreached(loopback: bool, control: int, data: int) -> str:
    """Why no generator reaches a trainer in a container; ``""`` outside of a container."""
    if not inside():
        return ""
    if loopback:
        return (
            "but this is a container, whose 127.0.0.1 can be reached only from within: for "
            f"generators elsewhere give --bind tcp://0.0.0.0:{control} --keys keys, and "
            + publish(control, data)
        )
    return f"for generators outside of this container's network, {publish(control, data)}"


def unanswered(host: str, port: int, loopback: bool) -> str:
    """Advice for a generator whose trainer at `host` and `port` does not answer."""
    if not inside() or not loopback:
        return f"If the trainer is in a container, {publish(port, port + 1)}"
    return (
        f"{host} is this container itself: name the trainer's host, or its service, e.g. "
        f"--connect tcp://trainer:{port}"
    )
