"""A sink that keeps nothing: it counts, hashes and measures (`drain`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("pushfit.sink")


def note_bad(row: Mapping[str, Any]) -> None:
    """Name a bad record on the screen: a sink that keeps nothing has no quarantine list."""
    log.warning("%s on %s is bad: %s", row["path"], row["host"], row["reason"])
