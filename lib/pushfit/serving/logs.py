"""Log lines as JSON, one object a line, each with the id of the request that it is about."""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

from pushfit.terminal import Steady

request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("pushfit.serving")

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def id_for(given: str) -> str:
    """The id that a client gave, if it is suitable for a log and a header; else a new one."""
    return given if _SANE.fullmatch(given) else uuid.uuid4().hex


class Lines(logging.Formatter):
    """{"time", "level", "message", "request_id", and the items of `extra={"fields": …}`}.

    worker: the number of this process, which each line then has; 0: it is the only one.
    """

    def __init__(self, worker: int = 0) -> None:
        super().__init__()
        self._always = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= self._always | getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, separators=(",", ":"), default=str)  # ASCII steers no terminal


def start(worker: int = 0) -> None:
    """From now on, write every log line of this process as JSON to stderr. worker: see Lines.

    It uses a descriptor of its own, since `training.backend` withholds stderr while Keras starts.
    """
    handler = logging.StreamHandler(Steady(os.dup(2), "utf-8"))
    handler.setFormatter(Lines(worker))
    logging.basicConfig(handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error"):  # its warnings are about invalid requests
        logging.getLogger(name).setLevel(logging.ERROR)
