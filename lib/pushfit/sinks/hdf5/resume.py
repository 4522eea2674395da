"""What a sink finds in the folder where it is to store: nothing yet, or a stream to resume.

Every error in it is reported before a socket is open.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from pushfit.errors import ConfigError, OutputError
from pushfit.plan.order import TRAIN
from pushfit.runs import outputs, resume
from pushfit.settings.config_file import CONFIG
from pushfit.store import layout
from pushfit.store import progress as progresses
from pushfit.store.layout import STORE, Store
from pushfit.store.progress import PROGRESS, RECORDS, Progress

REPORT, QUARANTINE = outputs.REPORT, "quarantine.jsonl"
# Files that may exist before store.json does.
_FIRST = frozenset({outputs.LOCK, outputs.LOG, CONFIG, RECORDS, PROGRESS, QUARANTINE})

log = logging.getLogger("pushfit.sink")


class StoredSoFar(msgspec.Struct, frozen=True):
    """A stream that is stored in part, or complete.

    segment: the index of the segment to resume in.
    visits: the number of its visits that are stored.
    complete: all is stored.
    """

    store: Store
    progress: Progress
    segment: int
    visits: int
    complete: bool


def is_whole(out: Path) -> bool:
    """Return whether a sink has stored all in `out`: it writes its report last."""
    return (out / REPORT).exists() and not outputs.ended_early(out / REPORT)


def find(
    out: Path, fixed: Mapping[str, str], defaults: Mapping[str, str], epochs: int
) -> StoredSoFar | None:
    """The stream in `out`; None: nothing is stored yet. A missing folder is made.

    fixed: the settings that a stream keeps, as written on a command line.
    defaults: the defaults of all settings.
    epochs: the number of training epochs to store.
    Raises ConfigError, DataError, OutputError.
    """
    outputs.prepare(out, again=True)
    outputs.take(out)
    if not (out / STORE).exists():
        if others := sorted({path.name for path in out.iterdir()} - _FIRST):
            raise OutputError(
                f"{out} is not the folder of a stored stream: it holds {others[0]}, and no "
                f"{STORE}. Choose another --out"
            )
        log.info("nothing is stored in %s yet: starting from the beginning", out)
        return None
    store, progress = layout.read(out), progresses.read(out)
    resume.compare(progress.settings, progress.source, fixed, defaults, out)
    train = store.splits[TRAIN]
    store = replace(store, splits={**store.splits, TRAIN: replace(train, epochs=epochs)})
    segment, visits = progresses.position(out, store, progress.rows)
    ended, within = divmod(segment, len(store.splits))
    if epochs < (begun := ended + (within > 0 or visits > 0)):
        raise ConfigError(
            f"--epochs {epochs}: {out} has {begun} epoch(s) already, or parts of them: give "
            f"--epochs {begun} or more"
        )
    complete = ended == epochs and is_whole(out)
    if not complete:
        (out / REPORT).unlink(missing_ok=True)  # it describes an earlier end
    progress.rows = progresses.before(progress.rows, store, segment)
    return StoredSoFar(store, progress, segment, visits, complete)
