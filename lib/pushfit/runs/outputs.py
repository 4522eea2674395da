"""The folder of a run, which never replaces that of another run, and its text and JSON files."""

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

LOCK = ".lock"  # open and locked by the program that uses the folder
REPORT = "report.json"
INTERRUPTED, FAILED = "interrupted", "failed"  # `ended` in the report of a run that ended early
REPORT_BYTES = 2**26  # a larger report is not read; no run writes one of a tenth of this size
LOG = "log.txt"  # every line that was shown to people
# The files that a run or a sink may have written before its first result.
UNFINISHED = frozenset(
    {LOCK, LOG, CONFIG, "address", "samples.png", "tensorboard", "quarantine.jsonl"}
    | {"store.json", "progress.json", "records.tsv"}
)
PROBE_BYTES = 2**16  # an empty file fits on a full disk

log = logging.getLogger("pushfit.trainer")


def prepare(out: Path, *, again: bool = False) -> Path:
    """Make the run's folder and its parents.

    The folder may exist if it is empty, or if a run in it ended before its first result.

    out: the folder.
    again: a run may also have results in the folder already, since it is resumed.
    Returns `out`.
    Raises OutputError if the folder holds other files, or cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in out.iterdir()}
        if ended_early(out / REPORT):
            held.discard(REPORT)
        if held - UNFINISHED and not (again and held & {LOCK, CONFIG}):
            advice = "to continue the run in it, add --resume; or " if CONFIG in held else ""
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
    """Remove the files of a failed first try in `out`. Call `take` first. Raises OutputError."""
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
    """Return whether the report at `path` is of a run that a person or an error ended.

    False if the file is not a report of PushFit, so that it is not overwritten.
    """
    try:
        if path.stat().st_size > REPORT_BYTES:
            return False
        report = json.loads(regular.read(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and report.get("ended") in (INTERRUPTED, FAILED)


def take(out: Path) -> int:
    """Lock the folder `out` until this process ends. The kernel then releases the lock.

    This also removes temporary files of a killed process, and lets the log keep what is shown.

    Returns the file descriptor that holds the lock.
    Raises OutputError if another program uses the folder.
    """
    file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    held = host.lock(file, out / LOCK)
    who = os.pread(file, 200, 0).decode(errors="replace")
    if held is False or (held is None and _is_at_work(who)):
        os.close(file)
        raise OutputError(
            f"another program is at work in {out} ({who or 'it has just started'}): "
            "end it first, or choose another --out"
        )
    os.ftruncate(file, 0)
    os.pwrite(file, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
    remove_leftovers(out)
    terminal.keep(out / LOG)
    return file


def _is_at_work(who: str) -> bool:
    """Return whether `who`, the text of a lock file, is a living process of this host."""
    words = who.split()
    if len(words) != 4 or not words[1].isdecimal() or words[3] != socket.gethostname():
        return False  # for another host this cannot be known
    return int(words[1]) != os.getpid() and Path("/proc", words[1]).exists()


def prepare_file(path: Path) -> Path:
    """Make the folder of `path`, a file that is written at the end of a run. Returns `path`.

    Raises OutputError at the start of the run, not after hours, if the folder cannot be made or
    written to.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: give the path of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _try_writing(path.parent)
    except OSError as error:
        raise failure("write", path, error) from error
    return path


def _try_writing(folder: Path) -> None:
    """Raise OSError if nothing can be written to `folder`.

    Only a try shows it: permission bits say nothing about root, read-only mounts, full disks and
    NFS.
    """
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
    """Write `obj` as indented JSON, atomically. Raises OutputError.

    NaN and infinity are written as null. They are not valid JSON, so many parsers would refuse the
    whole file.
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
