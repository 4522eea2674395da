"""How a stream ended, for report.json: whatever ends one that has begun leaves its report.

Without it a run that `--max-bad`, a full disk or a person has ended would leave nothing to tell how
far it came, and what went wrong on the way.
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
    """Within, an exception leaves `report()`, and how it ended, in each of `paths`; then it passes.

    A report that cannot be written is told, and does not take the place of what ended the run.
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
