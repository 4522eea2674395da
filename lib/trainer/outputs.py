"""The run's folder: made once, never over another run's; its small files in text and JSON."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfg.again import CONFIG
from lib import container
from lib.errors import OutputError
from lib.files import failure, remove_leftovers, replacing

LOCK = ".lock"  # open and locked by the program at work
PROBE_BYTES = 2**16  # an empty file fits on a full disk

log = logging.getLogger("pushfit.trainer")


def prepare(out: Path, *, again: bool = False) -> Path:
    """Make the run's folder, and its parents. Returns `out`.

    An existing empty folder will do; `again`: so will one that a run was begun in. Raises
    OutputError when it holds other files (a run never overwrites another), or when it cannot be
    made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in out.iterdir()}
        if held - {LOCK} and not (again and held & {LOCK, CONFIG}):
            advice = "to go on with the run in it, add --resume; or " if CONFIG in held else ""
            raise OutputError(
                f"{out} exists already and is not empty: {advice}choose another --out, or delete it"
            )
        _try_writing(out)
        if lost := container.fleeting(out):
            log.warning("%s", lost)
    except FileExistsError as error:
        raise OutputError(f"{out} is a file, not a folder: choose another --out") from error
    except OSError as error:
        raise failure("make the output folder", out, error) from error
    return out


def take(out: Path) -> int:
    """Hold the folder `out` until this process ends, however it does: the kernel lets go of it.

    Removes what a process that was killed while writing has left there. Raises OutputError where
    another program is at work. Returns the descriptor that holds it.
    """
    file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.pread(file, 200, 0).decode(errors="replace")
        os.close(file)
        raise OutputError(
            f"another program is at work in {out} ({who or 'it has only just started'}): "
            "end it first, or choose another --out"
        ) from None
    os.ftruncate(file, 0)
    os.pwrite(file, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
    remove_leftovers(out)
    return file


def prepare_file(path: Path) -> Path:
    """Make the folder that `path` is to be written to at the end of a run. Returns `path`.

    Raises OutputError now, rather than after hours, when it cannot be made or written to.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _try_writing(path.parent)
    except OSError as error:
        raise failure("write", path, error) from error
    return path


def _try_writing(folder: Path) -> None:
    """Permission bits do not tell about root, read-only mounts, full disks or NFS: writing does."""
    probe = folder / f".pushfit.{os.getpid()}.tmp"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, obj: Mapping[str, Any]) -> None:
    """Write `obj` as indented JSON, atomically; NaN and infinity as null. Raises OutputError.

    They are no JSON: many parsers refuse the whole file for one NaN loss in it.
    """
    write_text(path, json.dumps(_finite(obj), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """`value` with every float that JSON cannot hold replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
