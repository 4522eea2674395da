"""PushFit: feed model.fit from generator processes on any number of hosts.

    import pushfit

    with pushfit.stream("photos.py", links="DIR", batch_size=64, generators=4) as stream:
        for epoch in stream:
            for batch in epoch["train"]: …

What a script uses stands in `__all__`, and is imported when it is asked for, so that a generator
stays small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from pushfit.api.checkpoint import Checkpoint
    from pushfit.api.stream import BatchStream, Epoch, stream
    from pushfit.errors import (
        BadRecord,
        ConfigError,
        DataError,
        PushFitError,
        StreamError,
        StreamTimeout,
        TaskError,
    )
    from pushfit.observe.shard_rows import audit_of_ranks
    from pushfit.tasks.base import ArraySpec, BlockTask, DataSet, Record, RecordTable, Task
    from pushfit.tasks.chunks import Chunk, ChunkedTask, chunked
    from pushfit.tasks.images.task import ImagesTask
    from pushfit.tasks.labelled import LabelledImages
    from pushfit.tasks.mixture import mixture

# Where each public name is; `tasks.source` reads it, too.
PLACES = {
    "stream": "pushfit.api.stream",
    "BatchStream": "pushfit.api.stream",
    "Epoch": "pushfit.api.stream",
    "Checkpoint": "pushfit.api.checkpoint",
    "audit_of_ranks": "pushfit.observe.shard_rows",
    "Task": "pushfit.tasks.base",
    "BlockTask": "pushfit.tasks.base",
    "Record": "pushfit.tasks.base",
    "RecordTable": "pushfit.tasks.base",
    "DataSet": "pushfit.tasks.base",
    "ArraySpec": "pushfit.tasks.base",
    "Chunk": "pushfit.tasks.chunks",
    "ChunkedTask": "pushfit.tasks.chunks",
    "chunked": "pushfit.tasks.chunks",
    "ImagesTask": "pushfit.tasks.images.task",
    "LabelledImages": "pushfit.tasks.labelled",
    "mixture": "pushfit.tasks.mixture",
    "PushFitError": "pushfit.errors",
    "ConfigError": "pushfit.errors",
    "DataError": "pushfit.errors",
    "BadRecord": "pushfit.errors",
    "TaskError": "pushfit.errors",
    "StreamError": "pushfit.errors",
    "StreamTimeout": "pushfit.errors",
}

__all__ = [
    "ArraySpec",
    "BadRecord",
    "BatchStream",
    "BlockTask",
    "Checkpoint",
    "Chunk",
    "ChunkedTask",
    "ConfigError",
    "DataError",
    "DataSet",
    "Epoch",
    "ImagesTask",
    "LabelledImages",
    "PushFitError",
    "Record",
    "RecordTable",
    "StreamError",
    "StreamTimeout",
    "Task",
    "TaskError",
    "__version__",
    "audit_of_ranks",
    "chunked",
    "mixture",
    "stream",
]


def __getattr__(name: str) -> Any:
    if (place := PLACES.get(name)) is None:
        raise AttributeError(f"module 'pushfit' has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
