"""DIR/progress.json: how far a stream is stored, and what the sink that goes on with it must know.

A segment is over when its row is here; of the one after it, the shards that lie in the folder side
by side from the first on are stored. So the files themselves say where to go on: a shard that is
lost, or was removed, is simply where it goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lib.errors import DataError
from lib.files import replacing
from lib.store.layout import Store, shard_path

PROGRESS = "progress.json"
RECORDS = "records.tsv"

Rows = dict[str, list[dict[str, Any]]]


class Progress(msgspec.Struct, kw_only=True):
    """settings, source: what must be the same when it goes on: as written on a command line; of the
    tasks. rows: of the audit, for each split, of the epochs that are over. given_up: (split,
    record, why) of the records that are substituted from now on.
    """

    settings: dict[str, str]
    source: str
    rows: Rows = {}
    given_up: list[tuple[str, int, str]] = []


def write(folder: Path, progress: Progress) -> None:
    """Raises OutputError."""
    with replacing(folder / PROGRESS) as path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(progress)))


def read(folder: Path) -> Progress:
    """Raises DataError."""
    path = folder / PROGRESS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            f"cannot read {path}: {error}. Without it the stream cannot be gone on with: put it "
            "back, or store the stream in another --out"
        ) from error


def position(folder: Path, store: Store, rows: Rows) -> tuple[int, int]:
    """(index of the segment, visits of it that are stored) to go on at."""
    kinds = list(store.splits)
    over = sum(len(rows.get(split, ())) for split in kinds)
    for index in range(over + 1):
        epoch, kind = divmod(index, len(kinds))
        form = store.splits[kinds[kind]]
        if epoch >= form.epochs:
            continue  # it is not to be stored, or the end of the stream
        there = (shard_path(folder, kinds[kind], epoch, n).exists() for n in range(form.shards))
        found = next((number for number, exists in enumerate(there) if not exists), form.shards)
        if index == over or found < form.shards:
            return index, min(found * form.shard, form.visits)
    return over, 0


def before(rows: Rows, store: Store, index: int) -> Rows:
    """Those of `rows` that are of segments before number `index`."""
    epochs, kinds = divmod(index, len(store.splits))
    return {
        split: list(rows.get(split, ()))[: epochs + (kind < kinds)]
        for kind, split in enumerate(store.splits)
    }


def write_records(folder: Path, listing: list[str]) -> None:
    """DIR/records.tsv: path and size of every record, as numbered. Raises OutputError."""
    lines = "".join(line.replace("\n", "\N{REPLACEMENT CHARACTER}") + "\n" for line in listing)
    with replacing(folder / RECORDS) as path:
        path.write_bytes(lines.encode("utf-8", "surrogatepass"))


def read_records(folder: Path) -> list[str]:
    """Its lines; none where it cannot be read: paths are then unknown, nothing else."""
    try:
        text = (folder / RECORDS).read_bytes().decode("utf-8", "surrogatepass")
    except (OSError, UnicodeDecodeError):
        return []
    return text.split("\n")[:-1]
