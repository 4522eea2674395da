"""The folder that a stream is stored in, when a sink comes to it: new, or gone on with.

All that is wrong with it is said before a socket is open.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from cfg.again import CONFIG
from lib.errors import ConfigError, OutputError
from lib.plan.order import TRAIN
from lib.store import layout
from lib.store import progress as progresses
from lib.store.layout import STORE, Store
from lib.store.progress import PROGRESS, RECORDS, Progress
from lib.trainer import outputs, resume

REPORT, QUARANTINE = "report.json", "quarantine.jsonl"
_FIRST = frozenset({outputs.LOCK, CONFIG, RECORDS, PROGRESS, QUARANTINE})  # before store.json

log = logging.getLogger("pushfit.sink")


class Begun(msgspec.Struct, frozen=True):
    """What is stored. segment, visits: where to go on; complete: nothing is left to do."""

    store: Store
    progress: Progress
    segment: int
    visits: int
    complete: bool


def find(out: Path, texts: Mapping[str, str], epochs: int) -> Begun | None:
    """What is stored in `out`, which is made where it is missing; None: nothing yet.

    texts: every setting as written on a command line. Raises ConfigError, DataError, OutputError.
    """
    outputs.prepare(out, again=True)
    outputs.take(out)
    if not (out / STORE).exists():
        if others := sorted({path.name for path in out.iterdir()} - _FIRST):
            raise OutputError(
                f"{out} is no folder that a stream is stored in: it holds {others[0]}, and no "
                f"{STORE}. Choose another --out"
            )
        log.info("nothing is stored in %s yet: starting from the beginning", out)
        return None
    store, progress = layout.read(out), progresses.read(out)
    resume.compare(progress.settings, progress.source, resume.fixed(texts), out)
    train = store.splits[TRAIN]
    store = replace(store, splits={**store.splits, TRAIN: replace(train, epochs=epochs)})
    segment, visits = progresses.position(out, store, progress.rows)
    ended, within = divmod(segment, len(store.splits))
    if epochs < (begun := ended + (within > 0 or visits > 0)):
        raise ConfigError(
            f"--epochs {epochs}: {out} has {begun} epoch(s), or parts of them, already; give at "
            "least that"
        )
    complete = ended == epochs and (out / REPORT).exists()
    if not complete:
        (out / REPORT).unlink(missing_ok=True)  # a stream that has one is whole
    progress.rows = progresses.before(progress.rows, store, segment)
    return Begun(store, progress, segment, visits, complete)
