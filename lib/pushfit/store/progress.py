"""DIR/progress.json: how far a stream is stored, and what a sink needs to resume it.

A segment is complete if its row is here. In the next segment, the shards count that are in the
folder without a gap from the first one on. So the files show where to resume: at the first shard
that is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pushfit.errors import DataError
from pushfit.files import replacing
from pushfit.store.layout import Store, shard_path
from pushfit.text import as_line, from_line

PROGRESS = "progress.json"
RECORDS = "records.tsv"

Rows = dict[str, list[dict[str, Any]]]


class Progress(msgspec.Struct, kw_only=True):
    """The progress of a sink.

    settings: the settings that must be the same when it resumes, as on a command line.
    source: the hash of the task's code, which must be the same, too.
    rows: {split: rows of the audit for the completed epochs}.
    given_up: (split, record, why) of the bad records so far.
    """

    settings: dict[str, str]
    source: str
    rows: Rows = {}
    given_up: list[tuple[str, int, str]] = []


def write(folder: Path, progress: Progress) -> None:
    """Write DIR/progress.json. Raises OutputError."""
    with replacing(folder / PROGRESS) as path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(progress)))


def read(folder: Path) -> Progress:
    """Read DIR/progress.json. Raises DataError if it cannot be read."""
    path = folder / PROGRESS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise DataError(
            f"cannot read {path}: {error}. The stream cannot be resumed without it: put it back, "
            "or store the stream in another --out"
        ) from error


def position(folder: Path, store: Store, rows: Rows) -> tuple[int, int]:
    """Where to resume: (index of the segment, number of its visits that are stored)."""
    kinds = list(store.splits)
    over = sum(len(rows.get(split, ())) for split in kinds)
    for index in range(over + 1):
        epoch, kind = divmod(index, len(kinds))
        form = store.splits[kinds[kind]]
        if epoch >= form.epochs:
            continue  # it is not stored at all, or it is the end of the stream
        there = (shard_path(folder, kinds[kind], epoch, n).exists() for n in range(form.shards))
        found = next((number for number, exists in enumerate(there) if not exists), form.shards)
        if index == over or found < form.shards:
            return index, min(found * form.shard, form.visits)
    return over, 0


def before(rows: Rows, store: Store, index: int) -> Rows:
    """The rows of segments before number `index`."""
    epochs, kinds = divmod(index, len(store.splits))
    return {
        split: list(rows.get(split, ()))[: epochs + (kind < kinds)]
        for kind, split in enumerate(store.splits)
    }


def write_records(folder: Path, listing: list[str]) -> None:
    """Write DIR/records.tsv: path and size of every record, in order. Raises OutputError."""
    text = "".join(f"{as_line(line)}\n" for line in listing)
    with replacing(folder / RECORDS) as path:
        path.write_bytes(text.encode())


def read_records(folder: Path) -> list[str]:
    """The lines of records.tsv; none if it cannot be read, so that only paths are unknown."""
    try:
        text = (folder / RECORDS).read_bytes().decode("utf-8", "surrogatepass")
    except (OSError, ValueError):
        return []
    return [from_line(line) for line in text.split("\n")[:-1]]
