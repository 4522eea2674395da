"""Log lines as JSON, one object a line, each with the id of the request that it is about."""

from __future__ import annotations

import logging
import os
import re
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("pushfit.serving")

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def id_for(given: str) -> str:
    """The id that a client gave, where it will do in a log and a header; else a new one."""
    return given if _SANE.fullmatch(given) else uuid.uuid4().hex


class Lines(logging.Formatter):
    """{"time", "level", "message", "request_id", whatever stands in `extra={"fields": …}`}."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return msgspec.json.encode(line).decode()


def start() -> None:
    """From now on every log line of this process is such a line, on stderr.

    On a descriptor of its own: `trainer.backend` holds back what goes to stderr while Keras starts.
    """
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8"))
    handler.setFormatter(Lines())
    logging.basicConfig(handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
