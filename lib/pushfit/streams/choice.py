"""The stream that settings ask for: from a fleet, from a folder of HDF5 files, or from both.

`pushfit train` and `pushfit.stream` open the same streams by this one function.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from pushfit.errors import ConfigError
from pushfit.runs.stream_state import StreamState
from pushfit.settings.stored import StoredSettings
from pushfit.streams.purpose import for_training
from pushfit.streams.stream import Stream
from pushfit.tasks.base import Task

if TYPE_CHECKING:
    from pushfit.runs.quarantine import Quarantine


def chosen(
    settings: StoredSettings,
    task: Task,
    before: StreamState | None = None,
    *,
    needs_data: bool,
    splits: Collection[str] = (),
    quarantine: Quarantine | None = None,
    announce: Path | None = None,
    timeout: float = math.inf,
) -> Stream:
    """The stream, checked and not open yet.

    before: where the stream continues; None: it begins.
    needs_data: the data set must be on this machine, as its links were named.
    splits: those that are made; empty: every split that there is.
    quarantine: the list to which bad records are added; None: the log names them.
    announce: the file that holds the address for generators while the stream listens.
    timeout: seconds without a batch after which a wait for one raises StreamTimeout.
    Raises ConfigError and DataError.
    """
    if settings.from_:
        from pushfit.streams.stored import StoredStream

        return StoredStream(settings, task, before, splits=splits)

    # A stream from disk imports no ZeroMQ.
    from pushfit.dispatch.bad_records import BadRecords, Limit
    from pushfit.dispatch.named_bad_records import note_bad
    from pushfit.streams.live import LiveStream
    from pushfit.streams.validated import with_stored_validation
    from pushfit.streams.whole_batches import only_whole_batches

    purpose = for_training(settings, task, before, needs_data=needs_data, splits=splits)
    if settings.val_from:
        if splits:
            raise ConfigError("val_from says where the split val comes from: leave splits out")
        purpose = with_stored_validation(purpose, settings, task, before.epoch if before else 0)
    if settings.drop_last:
        purpose = only_whole_batches(purpose, settings.batch_size)
    limit = Limit.parse(settings.max_bad)
    if quarantine is None:
        bad = BadRecords(note_bad, limit)
    else:
        earlier, listed = quarantine.earlier(), str(quarantine.path)
        bad = BadRecords(quarantine.add, limit, earlier=earlier, listed=listed)
    return LiveStream(settings, task, purpose, bad=bad, announce=announce, timeout=timeout)
