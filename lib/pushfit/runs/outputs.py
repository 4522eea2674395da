"""The run's folder: made once, never over another run's; its small files in text and JSON."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushfit import container, host, regular, terminal
from pushfit.errors import OutputError
from pushfit.files import failure, remove_leftovers, replacing
from pushfit.settings.config_file import CONFIG

LOCK = ".lock"  # open and locked by the program at work
REPORT = "report.json"
INTERRUPTED, FAILED = "interrupted", "failed"  # what a report says of a run that ended early
REPORT_BYTES = 2**26  # of the largest that is read: no run writes one of a tenth of that
LOG = "log.txt"  # every line that people were shown
# What a run, or a sink, has in its folder before it has kept anything.
UNFINISHED = frozenset(
    {LOCK, LOG, CONFIG, "address", "samples.png", "tensorboard", "quarantine.jsonl"}
    | {"store.json", "progress.json", "records.tsv"}
)
PROBE_BYTES = 2**16  # an empty file fits on a full disk

log = logging.getLogger("pushfit.trainer")


def prepare(out: Path, *, again: bool = False) -> Path:
    """Make the run's folder, and its parents. Returns `out`.

    An existing empty folder works, and one in which a run ended before it had kept anything (a
    first try that failed); `again`: so does one that a run was begun in. Raises OutputError when it
    holds other files (a run never overwrites another), or when it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in out.iterdir()}
        if ended_early(out / REPORT):
            held.discard(REPORT)
        if held - UNFINISHED and not (again and held & {LOCK, CONFIG}):
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


def clear(out: Path) -> None:
    """Remove what a first try that failed has left in `out`, which is held. Raises OutputError."""
    for name in (UNFINISHED | {REPORT}) - {LOCK, LOG}:
        path = out / name
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise failure("remove", path, error) from error


def ended_early(path: Path) -> bool:
    """Whether the report at `path` says that its run was ended by a person or by an error.

    What is no report of ours counts as one of a run that came to its end: it is not written over.
    """
    try:
        if path.stat().st_size > REPORT_BYTES:
            return False
        report = json.loads(regular.read(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and report.get("ended") in (INTERRUPTED, FAILED)


def take(out: Path) -> int:
    """Hold the folder `out` until this process ends, however it does: the kernel lets go of it.

    Removes what a process that was killed while writing has left there; what people are shown goes
    into its log, too. Raises OutputError where another program is at work. Returns the descriptor
    that holds it.
    """
    file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    held = host.lock(file, out / LOCK)
    who = os.pread(file, 200, 0).decode(errors="replace")
    if held is False or (held is None and _is_at_work(who)):
        os.close(file)
        raise OutputError(
            f"another program is at work in {out} ({who or 'it has only just started'}): "
            "end it first, or choose another --out"
        )
    os.ftruncate(file, 0)
    os.pwrite(file, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
    remove_leftovers(out)
    terminal.keep(out / LOG)
    return file


def _is_at_work(who: str) -> bool:
    """Whether `who`, as it stands in a lock file, is a process of this host that lives."""
    words = who.split()
    if len(words) != 4 or not words[1].isdecimal() or words[3] != socket.gethostname():
        return False  # on another host, nobody can tell
    return int(words[1]) != os.getpid() and Path("/proc", words[1]).exists()


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
