"""Writes report.json for a stream that ends early, by an error or by a person.

Without it nothing would tell how far such a run came, and which records were bad.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pushfit.errors import OutputError, PushFitError, raised
from pushfit.interrupts import interrupted
from pushfit.runs import outputs
from pushfit.streams.stream import Stream

log = logging.getLogger("pushfit.trainer")


@contextmanager
def reported(
    stream: Stream, paths: Iterable[Path | None], report: Callable[[], Mapping[str, Any]]
) -> Iterator[None]:
    """Write a report if the block raises; then let the exception pass.

    stream: nothing is written if it was not opened.
    paths: the files to write; None: no file.
    report: gives the report, to which is added how the run ended.

    An error in writing is logged. It does not replace the exception that ended the run.
    """
    try:
        yield
    except BaseException as error:
        if stream.was_opened:
            early = {**report(), **_how(error)}
            for path in filter(None, paths):
                try:
                    outputs.write_json(path, early)
                    log.info("report of how far it came: %s", path)
                except OutputError as trouble:
                    log.warning("no report of how far it came: %s", trouble)
        raise


def _how(error: BaseException) -> dict[str, str]:
    if interrupted.is_set() or isinstance(error, KeyboardInterrupt):
        return {"ended": outputs.INTERRUPTED}
    what = str(error) if isinstance(error, PushFitError) else raised(error)
    return {"ended": outputs.FAILED, "error": what}
