"""A sink that keeps nothing: it counts, hashes and measures (`drain`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("pushfit.sink")


def note_bad(row: Mapping[str, Any]) -> None:
    """Name a bad record on the screen: a sink that keeps nothing has no quarantine list."""
    if redrawn := row.get("redrawn"):
        samples = "1 sample" if redrawn == 1 else f"{redrawn} samples"
        told = f"{samples} of {row['path']} on {row['host']} had to be drawn anew"
    else:
        told = f"{row['path']} on {row['host']} is bad"
    log.warning("%s: %s", told, row["reason"])
