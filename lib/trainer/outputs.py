"""The run's folder: made once, never over another run's; its small files in text and JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import OutputError
from lib.files import failure, replacing


def prepare(out: Path) -> Path:
    """Make the run's folder, and its parents; an existing empty one will do. Returns `out`.

    Raises OutputError when it holds files already (a run never overwrites another), or cannot be
    made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise OutputError(
                f"{out} exists already and is not empty: choose another --out, or delete it"
            )
        # Permission bits do not tell about root, read-only mounts or NFS: only writing does.
        probe = out / f".pushfit.{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except FileExistsError as error:
        raise OutputError(f"{out} is a file, not a folder: choose another --out") from error
    except OSError as error:
        raise failure("make the output folder", out, error) from error
    return out


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
