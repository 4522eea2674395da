"""What to do about it where this process is in a container: a mount, a key, a port.

A container cannot look out of itself, so whether its ports are published is not to be found out;
it can be said who does not get in without. The words are options of `docker run` and `podman run`.
"""

from __future__ import annotations

import os
from pathlib import Path

from cfg import hosts
from cfg.links import CONTAINER_ROOT


def inside() -> bool:
    """Whether this is a container, by the rule that chooses the links folder, too."""
    return bool(hosts.this_machine().container)


def unmounted(link: Path) -> str:
    """What to mount for `link`, if it points to where a container has its data; else ``""``."""
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
    """How a key that belongs to someone else is given to a container; elsewhere ``""``."""
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
    """How a trainer in a container gets its folder of keys; elsewhere ``""``."""
    if not inside():
        return ""
    return (
        f". In a container: -v /path/to/your/keys:{folder.absolute()}:ro, and --user with the uid "
        "of their owner"
    )


def volume(folder: Path) -> str:
    """Where a container may write what is to stay; elsewhere ``""``."""
    return f"; in a container, mount a volume: -v runs:{folder.absolute()}" if inside() else ""


def fleeting(folder: Path) -> str:
    """A warning where `folder` is in the container's own layer, and would go with it."""
    if not inside() or folder.stat().st_dev != Path("/").stat().st_dev:
        return ""
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    if not any(words[4] == "/" and "overlay" in words for words in mounts):
        return ""  # no layers: a machine that was made from an image
    where = folder.parent.absolute()
    return f"{folder} goes when this container is removed: mount a volume, -v runs:{where}"


def publish(control: int, data: int) -> str:
    """How who is outside of a container's network gets to the trainer in it."""
    return f"publish both its ports: -p {control}:{control} -p {data}:{data}"


def unreached(loopback: bool, control: int, data: int) -> str:
    """Why nobody may come to a trainer in a container, and what to do; elsewhere ``""``."""
    if not inside():
        return ""
    if loopback:
        return (
            "but this is a container, and its 127.0.0.1 is reached from within alone: for "
            f"generators elsewhere --bind tcp://0.0.0.0:{control} --keys keys, and "
            + publish(control, data)
        )
    return f"for generators outside of this container's network, {publish(control, data)}"


def unanswered(host: str, port: int, loopback: bool) -> str:
    """Where a trainer that does not answer may be instead."""
    if not inside() or not loopback:
        return f"If the trainer is in a container, {publish(port, port + 1)}"
    return (
        f"{host} is this container itself: name the trainer's host, or its service, e.g. "
        f"--connect tcp://trainer:{port}"
    )
